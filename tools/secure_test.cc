// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// secure_test.cc - a set-uid copy of the tool ignores the environment variables
// of its caller.

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <filesystem>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tools/trace/test_dir.h"

namespace mpool::tools {
namespace {

namespace fs = std::filesystem;

using testing::HasSubstr;

constexpr uid_t kCaller = 61001;
// True for root. Any other user is both the caller and the owner.
bool IsRoot() { return geteuid() == 0; }

struct Ran {
  int code = -1;
  std::string out;
};

// Runs `tool` on `trace` as another user, with a TMPDIR that does not exist.
Ran ReplayAsAnother(const std::string& tool, const std::string& trace) {
  std::array<int, 2> ends;
  if (pipe(ends.data()) != 0) return {};
  const pid_t child = fork();
  if (child == 0) {
    alarm(60);
    dup2(ends[1], STDOUT_FILENO);
    dup2(ends[1], STDERR_FILENO);
    close(ends[0]);
    close(ends[1]);
    if (IsRoot() && (setresgid(kCaller, kCaller, kCaller) != 0 ||
                     setresuid(kCaller, kCaller, kCaller) != 0)) {
      _exit(99);
    }
    const char* const variables[] = {"TMPDIR=/nonexistent", nullptr};
    execle(tool.c_str(), "mpool", "replay", trace.c_str(), nullptr, variables);
    _exit(98);
  }
  close(ends[1]);
  Ran ran;
  std::array<char, 4096> text;
  for (ssize_t got = 0; (got = read(ends[0], text.data(), text.size())) > 0;) {
    ran.out.append(text.data(), static_cast<size_t>(got));
  }
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  ran.code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return ran;
}

TEST(SecureTest, SetUidToolIgnoresTheCallersVariables) {
  const TestDir dir;
  ASSERT_EQ(chmod(dir.path().c_str(), 0755), 0);
  const std::string trace = dir.Write("t.pt", "1\n2\n3\n1\n");
  const std::string tool = dir.File("mpool");
  fs::copy_file(MPOOL_TOOL, tool);
  ASSERT_EQ(chmod(tool.c_str(), 0755), 0);
  const Ran plain = ReplayAsAnother(tool, trace);
  EXPECT_NE(plain.code, 0);
  EXPECT_THAT(plain.out, HasSubstr("/nonexistent/mpool-replay"));
  ASSERT_EQ(chmod(tool.c_str(), 04755), 0);
  const Ran trusted = ReplayAsAnother(tool, trace);
  if (IsRoot()) {
    EXPECT_EQ(trusted.code, 0) << trusted.out;
  } else {
    // Set-uid to the caller does not change rights.
    EXPECT_EQ(trusted.out, plain.out);
  }
}

}  // namespace
}  // namespace mpool::tools
