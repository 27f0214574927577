// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// unnamed_lock_test.cc - byte locks in a file without a name, and claims on a
// directory. Forked children share both.

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "os/lock_file.h"
#include "os/status.h"
#include "tests/support/system.h"

namespace mpool::os {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class UnnamedLockTest : public SyscallTest {
 protected:
  LockFile locks_ = *LockFile::Unnamed();
};

TEST_F(UnnamedLockTest, ForkedChildSeesAndTakesLocks) {
  const ByteLock mine = *locks_.Lock(3);
  EXPECT_EQ(**locks_.FindHeld(1, 10), 3u);
  EXPECT_EQ(InChild([&]() -> std::string {
              if (locks_.TryLock(3)->held()) return "took the parent's";
              const ByteLock own = *locks_.TryLock(4);
              if (!own.held()) return "has none";
              return absl::StrCat(**locks_.FindHeld(4, 10));
            }),
            "4");
  // The child's lock ended with the child.
  EXPECT_FALSE(locks_.FindHeld(4, 10)->has_value());
}

TEST_F(UnnamedLockTest, LockEndsWithOwnerDespiteChild) {
  Shared shared;
  Child owner([&] {
    const ByteLock lock = *locks_.Lock(5);
    Child grandchild([&] {
      shared.Set(0);
      shared.Await(1);
      shared.Set(2);
    });
    grandchild.Wait();
  });
  shared.Await(0);
  EXPECT_TRUE(locks_.FindHeld(5, 1)->has_value());
  owner.Kill();
  EXPECT_FALSE(locks_.FindHeld(5, 1)->has_value());
  shared.Set(1);
  shared.Await(2);
}

TEST_F(UnnamedLockTest, ProbeWorksWithoutFreeFd) {
  const ByteLock mine = *locks_.Lock(3);
  EXPECT_THAT(InChild([&] {
                Sys().open = [](const char*, int, mode_t) {
                  errno = EMFILE;
                  return -1;
                };
                return absl::StrCat(**locks_.FindHeld(1, 10), ", ",
                                    locks_.TryLock(4).status().ToString());
              }),
              AllOf(StartsWith("3, RESOURCE_EXHAUSTED"),
                    HasSubstr("ulimit -n")));
}

TEST_F(UnnamedLockTest, ClosedFdIsReportedAndNotReplaced) {
  EXPECT_EQ(InChild([&]() -> std::string {
              ::closefrom(3);
              const std::string first = Message(locks_.TryLock(1).status());
              for (int i = 0; i < 8; ++i) ::open("/dev/null", O_RDWR);
              const std::string second =
                  Message(locks_.FindHeld(1, 1).status());
              return first == second ? first : first + second;
            }),
            "prove that forked processes live: the program closed the fd of "
            "their lock file, which has no name; close only fds that are its "
            "own, or use a Backing with a name");
}

TEST_F(UnnamedLockTest, WithoutProcItIsRefused) {
  Sys().open = [](const char*, int, mode_t) {
    errno = ENOENT;
    return -1;
  };
  const absl::Status status = LockFile::Unnamed().status();
  EXPECT_TRUE(absl::IsFailedPrecondition(status));
  EXPECT_THAT(Message(status), HasSubstr("mount /proc"));
}

TEST_F(UnnamedLockTest, AnOlderKernelHasNoSeals) {
  Sys().memfd_create = [](const char* name, unsigned flags) {
    if (flags == MFD_CLOEXEC) return RealSyscalls().memfd_create(name, flags);
    errno = EINVAL;
    return -1;
  };
  EXPECT_TRUE(LockFile::Unnamed().ok());
}

TEST(DirectoryClaimTest, ClaimExcludesOthersUntilLastClose) {
  const TempDir temp;
  const File other = *File::OpenDirectory(temp.path());
  auto first = *File::OpenDirectory(temp.path());
  EXPECT_FALSE(*IsDirectoryClaimed(other));
  EXPECT_TRUE(*ClaimDirectory(first));
  EXPECT_FALSE(*IsDirectoryClaimed(first));
  EXPECT_TRUE(*IsDirectoryClaimed(other));
  EXPECT_FALSE(*ClaimDirectory(other));
  EXPECT_FALSE(*IsDirectoryClaimed(first));
  Shared shared;
  Child child([&] { shared.Await(0); });
  first.Close();
  EXPECT_TRUE(*IsDirectoryClaimed(other));
  child.Kill();
  EXPECT_FALSE(*IsDirectoryClaimed(other));
}

TEST(DirectoryClaimTest, OneReleaseReleasesForAll) {
  const TempDir temp;
  const File other = *File::OpenDirectory(temp.path());
  const File first = *File::OpenDirectory(temp.path());
  ASSERT_TRUE(*ClaimDirectory(first));
  EXPECT_EQ(InChild([&] {
              UnclaimDirectory(first);
              return std::string();
            }),
            "");
  EXPECT_FALSE(*IsDirectoryClaimed(other));
}

}  // namespace
}  // namespace mpool::os
