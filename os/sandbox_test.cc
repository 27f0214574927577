// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// sandbox_test.cc - what os/ does in place of a call that a sandbox refuses.

#include <cerrno>
#include <filesystem>

#include "os/directory.h"
#include "os/filesystem_kind.h"
#include "os/status.h"
#include "tests/support/system.h"

namespace mpool::os {
namespace {

int failure = 0;

class SandboxTest : public SyscallTest {
 protected:
  TempDir temp_;
};

// A lookup that fails must not stop a path that can be opened.
TEST_F(SandboxTest, AbsolutePathNeedsNoLookup) {
  std::filesystem::create_directories(temp_.Below("a/b"));
  std::filesystem::create_symlink("a/b", temp_.Below("link"));
  Sys().realpath = [](const char*, char*) -> char* {
    errno = failure;
    return nullptr;
  };
  for (const int error : {EACCES, EPERM, ENOSYS}) {
    failure = error;
    EXPECT_EQ(*AbsolutePath(temp_.Below("a//./../a/b/")), temp_.Below("a/b"));
    EXPECT_EQ(*AbsolutePath(temp_.Below("link")), temp_.Below("link"));
    // Without its links this path leads to another directory.
    EXPECT_EQ(StatusErrno(AbsolutePath(temp_.Below("link/..")).status()),
              error);
    EXPECT_EQ(StatusErrno(AbsolutePath(temp_.Below("none")).status()), error);
  }
}

// A sandbox may refuse fstatfs.
TEST_F(SandboxTest, RefusedFstatfsIsReplacedByTheListOfMounts) {
  const std::string kind = FilesystemKind(temp_.dir());
  const File shm = *File::OpenDirectory("/dev/shm");
  Sys().fstatfs = [](int, struct statfs*) {
    errno = EPERM;
    return -1;
  };
  EXPECT_EQ(FilesystemKind(temp_.dir()), kind);
  EXPECT_EQ(FilesystemKind(shm), "tmpfs");
  EXPECT_TRUE(IsInMemory(shm));
}

TEST_F(SandboxTest, RefusedStatxLosesOnlyTheTimeOfBirth) {
  const FileInfo whole = *temp_.dir().Info();
  Sys().statx = [](int, const char*, int, unsigned, struct statx*) {
    errno = EPERM;
    return -1;
  };
  const FileInfo weaker = *temp_.dir().Info();
  EXPECT_EQ(weaker.identity.birth_ns, 0u);
  EXPECT_EQ(weaker.identity, whole.identity);
  EXPECT_FALSE(weaker.identity.IsProvenSame(whole.identity));
  EXPECT_EQ(weaker.size_bytes, whole.size_bytes);
  EXPECT_EQ(weaker.allocated_bytes, whole.allocated_bytes);
  EXPECT_EQ(weaker.mtime_ns, whole.mtime_ns);
  EXPECT_EQ(weaker.ctime_ns, whole.ctime_ns);
  EXPECT_EQ(weaker.mode, whole.mode);
  EXPECT_EQ(weaker.links, whole.links);
  EXPECT_EQ(weaker.user, whole.user);
  EXPECT_EQ(weaker.group, whole.group);
  EXPECT_TRUE(weaker.is_directory);
}

}  // namespace
}  // namespace mpool::os
