// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "os/process.h"

#include <sys/prctl.h>

#include <cerrno>
#include <fstream>

#include "absl/status/status.h"
#include "tests/support/system.h"

namespace mpool::os {
namespace {

using ::testing::HasSubstr;

class ProcessTest : public SyscallTest {};

TEST_F(ProcessTest, OwnProcessIsDescribed) {
  const ProcessIdentity self = CurrentProcess();
  EXPECT_EQ(self.pid, ::getpid());
  struct stat space = {};
  ASSERT_EQ(::stat("/proc/self/ns/pid", &space), 0);
  EXPECT_EQ(self.pid_namespace, space.st_ino);
  std::string command;
  std::getline(std::ifstream("/proc/self/comm"), command);
  EXPECT_EQ(self.command.data(), command);
  EXPECT_GT(self.start_time, 0u);
  EXPECT_EQ(CurrentProcess().start_time, self.start_time);
}

TEST_F(ProcessTest, ChildIsAnotherProcess) {
  const ProcessIdentity self = CurrentProcess();
  EXPECT_EQ(InChild([&]() -> std::string {
              const ProcessIdentity child = CurrentProcess();
              if (child.pid == self.pid) return "same pid";
              if (child.start_time < self.start_time) return "started before";
              if (child.pid_namespace != self.pid_namespace) return "namespace";
              return "";
            }),
            "");
}

TEST_F(ProcessTest, CommandMayHoldParenthesesAndSpaces) {
  const uint64_t start_time = CurrentProcess().start_time;
  EXPECT_EQ(InChild([&]() -> std::string {
              ::prctl(PR_SET_NAME, ") R 1 (a b)");
              const ProcessIdentity self = CurrentProcess();
              if (self.start_time < start_time) return "wrong field";
              return self.command.data();
            }),
            ") R 1 (a b)");
}

TEST_F(ProcessTest, LongestCommandIsTerminated) {
  EXPECT_EQ(InChild([] {
              ::prctl(PR_SET_NAME, "abcdefghijklmnopqrst");
              return std::string(CurrentProcess().command.data());
            }),
            "abcdefghijklmno");
}

TEST_F(ProcessTest, WithoutProcOnlyThePidIsKnown) {
  Sys().open = [](const char*, int, mode_t) {
    errno = ENOENT;
    return -1;
  };
  EXPECT_EQ(CurrentProcess().pid, ::getpid());
  EXPECT_EQ(CurrentProcess().start_time, 0u);
  EXPECT_TRUE(absl::IsFailedPrecondition(BootId().status()));
  EXPECT_EQ(PhysicalMemoryBytes(), 0u);
}

TEST_F(ProcessTest, BootIdIsKernelsAndStable) {
  const auto id = BootId();
  ASSERT_TRUE(id.ok()) << id.status();
  EXPECT_EQ(*BootId(), *id);
  std::string text;
  std::getline(std::ifstream("/proc/sys/kernel/random/boot_id"), text);
  EXPECT_EQ(std::stoul(text.substr(0, 2), nullptr, 16), (*id)[0]);
  EXPECT_EQ(std::stoul(text.substr(34, 2), nullptr, 16), (*id)[15]);
}

TEST_F(ProcessTest, ShortReadsOfProcAreContinued) {
  const auto id = BootId();
  Sys().read = [](int fd, void* data, size_t size) {
    return RealSyscalls().read(fd, data, size < 5 ? size : 5);
  };
  const auto pieces = BootId();
  ASSERT_TRUE(pieces.ok()) << pieces.status();
  EXPECT_EQ(*pieces, *id);
}

TEST_F(ProcessTest, MalformedBootIdIsRefused) {
  Sys().read = [](int, void*, size_t) -> ssize_t { return 0; };
  const auto id = BootId();
  EXPECT_TRUE(absl::IsDataLoss(id.status()));
  EXPECT_THAT(Message(id.status()), HasSubstr("boot_id"));
}

TEST_F(ProcessTest, RandomIdsDiffer) { EXPECT_NE(*RandomId(), *RandomId()); }

TEST_F(ProcessTest, RefusedGetrandomIsReplacedByUrandom) {
  Sys().getrandom = [](void*, size_t, unsigned) -> ssize_t {
    errno = ENOSYS;
    return -1;
  };
  EXPECT_NE(RandomId().value(), RandomId().value());
  Sys().open = [](const char*, int, mode_t) {
    errno = ENOENT;
    return -1;
  };
  EXPECT_EQ(RandomId().status().code(),
            absl::StatusCode::kFailedPrecondition);
}

TEST_F(ProcessTest, MissingProcIsFailedPrecondition) {
  Sys().open = [](const char*, int, mode_t) {
    errno = ENOENT;
    return -1;
  };
  const absl::Status status = BootId().status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), testing::HasSubstr("mount /proc"));
}

TEST_F(ProcessTest, PhysicalMemoryIsThatOfTheMachine) {
  EXPECT_GT(PhysicalMemoryBytes(), uint64_t{16} << 20);
}

}  // namespace
}  // namespace mpool::os
