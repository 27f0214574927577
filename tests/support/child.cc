// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "tests/support/child.h"

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace mpool::test {
namespace {

// The first byte of a message gives its kind.
constexpr char kText = '+';
constexpr char kOutcome = '=';
constexpr size_t kMaxMessageBytes = 64 << 10;

[[noreturn]] void Die(const char* what) {
  std::perror(what);
  std::abort();
}

void Send(int fd, char kind, std::string_view message) {
  const std::string bytes = kind + std::string(message);
  while (::send(fd, bytes.data(), std::min(bytes.size(), kMaxMessageBytes),
                MSG_NOSIGNAL) < 0 &&
         errno == EINTR) {
  }
}

// Returns the kind, or 0 if the other end is gone.
char Receive(int fd, std::string* message) {
  std::vector<char> bytes(kMaxMessageBytes);
  ssize_t got = 0;
  do {
    got = ::recv(fd, bytes.data(), bytes.size(), 0);
  } while (got < 0 && errno == EINTR);
  if (got <= 0) return 0;
  message->assign(bytes.data() + 1, static_cast<size_t>(got) - 1);
  return bytes[0];
}

[[noreturn]] void Run(const Child::Body& body, int fd, bool had_failed) {
  Channel parent(fd);
  std::string outcome = body(parent);
  if (!had_failed && ::testing::Test::HasFailure()) {
    outcome = absl::StrCat("expectations failed in the child; ", outcome);
  }
  std::fflush(stdout);
  std::fflush(stderr);
  Send(fd, kOutcome, outcome);
  ::_exit(0);
}

}  // namespace

void Channel::Say(std::string_view message) { Send(fd_, kText, message); }

std::string Channel::Hear() {
  std::string message;
  Receive(fd_, &message);
  return message;
}

Child::Child(const Body& body) {
  int fds[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) != 0) {
    Die("socketpair");
  }
  const bool had_failed = ::testing::Test::HasFailure();
  const pid_t parent = ::getpid();
  // Otherwise the child would write the buffered output again.
  std::fflush(stdout);
  pid_ = ::fork();
  if (pid_ < 0) Die("fork");
  if (pid_ == 0) {
    ::close(fds[0]);
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    // getppid returns 0 in a pid namespace without the parent.
    if (::getppid() != parent && ::getppid() != 0) ::_exit(125);
    Run(body, fds[1], had_failed);
  }
  ::close(fds[1]);
  fd_ = fds[0];
}

Child::~Child() {
  Kill();
  ::close(fd_);
}

void Child::Say(std::string_view message) { Send(fd_, kText, message); }

std::string Child::Hear() {
  if (ended_) return outcome_;
  std::string message;
  const char kind = Receive(fd_, &message);
  if (kind == kText) return message;
  if (kind == kOutcome) outcome_ = message;
  return End();
}

std::string Child::End() {
  if (ended_) return outcome_;
  std::string message;
  while (const char kind = Receive(fd_, &message)) {
    if (kind == kOutcome) outcome_ = message;
  }
  int status = 0;
  while (::waitpid(pid_, &status, 0) != pid_) {
    if (errno != EINTR) Die("waitpid");
  }
  ended_ = true;
  if (WIFSIGNALED(status)) {
    outcome_ = absl::StrCat("signal ", WTERMSIG(status));
  } else if (WEXITSTATUS(status) != 0) {
    outcome_ = absl::StrCat("exit ", WEXITSTATUS(status));
  }
  return outcome_;
}

std::string Child::Kill() {
  if (!ended_) ::kill(pid_, SIGKILL);
  return End();
}

std::string InChild(const std::function<std::string()>& body) {
  return Child([&](Channel&) { return body(); }).End();
}

}  // namespace mpool::test
