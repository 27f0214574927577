// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "os/claims.h"

#include <fcntl.h>

#include "tests/support/status_matchers.h"
#include "tests/support/system.h"

namespace mpool::os {
namespace {

using test::IsOk;

class FileClaimsTest : public SyscallTest {
 protected:
  FileClaimsTest() : path_(temp_.Below("page.db")) {
    file_ = *File::Open(path_, {.create = true});
  }
  FileIdentity Identity() const { return file_.Info()->identity; }
  bool IsTaken(FileClaims& claims, uint64_t owner, bool for_writing) {
    auto claim = claims.Take(path_, Identity(), owner, for_writing);
    EXPECT_THAT(claim, IsOk());
    return !claim->held();
  }

  TempDir temp_;
  const std::string path_;
  File file_;
  FileClaims mine_;
  FileClaims others_;
};

TEST_F(FileClaimsTest, WriterExcludesOnlyOtherOwners) {
  auto claim = *mine_.Take(path_, Identity(), 1, /*for_writing=*/true);
  ASSERT_TRUE(claim.held());
  for (const bool for_writing : {true, false}) {
    EXPECT_TRUE(IsTaken(others_, 2, for_writing));
    EXPECT_FALSE(IsTaken(others_, 1, for_writing));
    EXPECT_FALSE(IsTaken(mine_, 1, for_writing));
  }
  // IsTaken released some of the claims on the byte. The lock stays.
  EXPECT_TRUE(IsTaken(others_, 2, true));
  claim.Drop();
  EXPECT_FALSE(IsTaken(others_, 2, true));
}

TEST_F(FileClaimsTest, ReadersExcludeWritersAlone) {
  auto claim = *mine_.Take(path_, Identity(), 1, /*for_writing=*/false);
  EXPECT_FALSE(IsTaken(others_, 2, /*for_writing=*/false));
  EXPECT_TRUE(IsTaken(others_, 2, /*for_writing=*/true));
}

TEST_F(FileClaimsTest, FilesOfADirectoryAreApart) {
  const std::string path = temp_.Below("other.db");
  const File other = *File::Open(path, {.create = true});
  auto claim = *mine_.Take(path_, Identity(), 1, /*for_writing=*/true);
  EXPECT_TRUE(
      others_.Take(path, other.Info()->identity, 2, true)->held());
}

TEST_F(FileClaimsTest, ClaimsOfDirectoryShareDescriptor) {
  static int opens;
  static int closes;
  opens = closes = 0;
  Sys().open = [](const char* path, int flags, mode_t mode) {
    ++opens;
    return RealSyscalls().open(path, flags, mode);
  };
  Sys().close = [](int fd) {
    ++closes;
    return RealSyscalls().close(fd);
  };
  {
    auto first = *mine_.Take(path_, Identity(), 1, true);
    auto second = *mine_.Take(path_, Identity(), 1, false);
    EXPECT_EQ(opens - closes, 1);
  }
  EXPECT_EQ(opens, closes);
}

TEST_F(FileClaimsTest, WithoutLocksAClaimExcludesNone) {
  Sys().fcntl_lock = [](int, int, struct flock*) {
    errno = EINVAL;
    return -1;
  };
  auto claim = *mine_.Take(path_, Identity(), 1, true);
  EXPECT_TRUE(claim.held());
  EXPECT_FALSE(IsTaken(others_, 2, true));
}

TEST_F(FileClaimsTest, RefusedLockIsErrorWithoutClaim) {
  for (const int error : {EAGAIN, ENOLCK}) {
    static int answer;
    answer = error;
    Sys().fcntl_lock = [](int, int, struct flock*) {
      errno = answer;
      return -1;
    };
    EXPECT_FALSE(mine_.Take(path_, Identity(), 1, true).ok());
  }
}

}  // namespace
}  // namespace mpool::os
