// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "tools/replay/children.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "os/status.h"

namespace mpool::tools {
namespace {

// Describes the end of a child; empty if it exited with 0.
std::string DescribeEnd(pid_t pid, int status) {
  if (WIFSIGNALED(status)) {
    return absl::StrCat("process ", pid, " was killed by signal ",
                        WTERMSIG(status), " (", strsignal(WTERMSIG(status)),
                        ")");
  }
  if (WEXITSTATUS(status) != 0) {
    return absl::StrCat("process ", pid, " exited with ", WEXITSTATUS(status));
  }
  return "";
}

}  // namespace

absl::Status Children::Fork(uint32_t count, const std::function<void()>& body) {
  const pid_t parent = getpid();
  for (uint32_t i = 0; i < count; ++i) {
    const pid_t pid = fork();
    if (pid < 0) {
      return os::ErrnoToStatus(errno, "fork", "a replay process",
                               "ask for fewer with --processes");
    }
    if (pid == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      // The parent may have died before the prctl.
      if (getppid() == parent) body();
      // _exit runs no destructors, because only the parent removes its
      // objects.
      _exit(0);
    }
    running_.push_back(pid);
  }
  return absl::OkStatus();
}

void Children::Reap() { Collect(WNOHANG); }

void Children::ReapAll() { Collect(0); }

void Children::Collect(int flags) {
  std::vector<pid_t> left;
  for (const pid_t pid : running_) {
    int status = 0;
    pid_t got = 0;
    do {
      got = waitpid(pid, &status, flags);
    } while (got < 0 && errno == EINTR);
    if (got == 0) {
      left.push_back(pid);
    } else if (got == pid) {
      const std::string end = DescribeEnd(pid, status);
      if (!end.empty()) deaths_.push_back(end);
    }
  }
  running_ = left;
}

}  // namespace mpool::tools
