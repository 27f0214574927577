// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// write_error_test.cc - system calls that fail during the write of a page.

#include <errno.h>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mpool/mpool.h"
#include "tests/support/child.h"
#include "tests/support/pages.h"
#include "tests/support/status_matchers.h"
#include "tests/support/system.h"
#include "tests/support/temp_home.h"

namespace mpool {
namespace {

using absl::StatusCode;
using test::Channel;
using test::Child;
using test::DiskText;
using test::Fails;
using test::GetText;
using test::IsOk;
using test::OpenBoth;
using test::PutText;
using test::SmallEnv;
using test::TempHome;

class WriteErrorTest : public os::SyscallTest {
 protected:
  static constexpr PageNo kPages = 20;

  WriteErrorTest() : path_(home_.Below("pages.db")) {
    EnvOptions options = SmallEnv();
    options.on_event = [this](const Event& event) { events_.push_back(event); };
    both_ = *OpenBoth(home_.path(), options);
    PutAll("first");
  }
  ~WriteErrorTest() override { os::Sys() = os::RealSyscalls(); }

  void PutAll(const std::string& text) {
    for (PageNo page = 0; page < kPages; ++page) {
      EXPECT_THAT(PutText(*both_.file, page, text), IsOk());
    }
  }
  void ExpectOnDisk(const std::string& text) {
    for (PageNo page = 0; page < kPages; ++page) {
      EXPECT_EQ(DiskText(path_, page), text) << page;
    }
  }
  static void FailFsync() {
    os::Sys().fsync = [](int) {
      errno = EIO;
      return -1;
    };
  }
  static void FailWrites() {
    os::Sys().pwritev = [](int, const iovec*, int, off_t) -> ssize_t {
      errno = EIO;
      return -1;
    };
  }
  static void Mend() { os::Sys() = os::RealSyscalls(); }
  auto WriteFailed() {
    return Fails(StatusCode::kDataLoss, "write", path_, "Input/output error");
  }
  auto FsyncFailedBefore() {
    return Fails(StatusCode::kDataLoss, "sync file " + path_,
                 "an earlier fsync failed", "Input/output error",
                 "check the file");
  }

  TempHome home_;
  const std::string path_;
  std::vector<Event> events_;
  test::Opened both_;
};

TEST_F(WriteErrorTest, FailedWriteKeepsPagesDirty) {
  FailWrites();
  EXPECT_THAT(both_.file->Sync(), WriteFailed());
  EXPECT_EQ(both_.env->Stats().frames_dirty, kPages);
  EXPECT_EQ(GetText(*both_.file, 5), "first");
  ASSERT_FALSE(events_.empty());
  EXPECT_EQ(events_[0].kind, Event::Kind::kWriteFailed);
  EXPECT_THAT(events_[0].message, ::testing::HasSubstr(path_));
  Mend();
  EXPECT_THAT(both_.file->Sync(), IsOk());
  EXPECT_EQ(both_.env->Stats().frames_dirty, 0u);
  ExpectOnDisk("first");
}

TEST_F(WriteErrorTest, ShortWriteIsRepeatedWhole) {
  static bool failed;
  failed = false;
  os::Sys().pwritev = [](int fd, const iovec* parts, int count,
                         off_t offset) -> ssize_t {
    if (failed) {
      errno = EIO;
      return -1;
    }
    failed = true;
    static_cast<void>(count);
    iovec half = parts[0];
    half.iov_len = 4096 + 100;
    return os::RealSyscalls().pwritev(fd, &half, 1, offset);
  };
  EXPECT_THAT(both_.file->Sync(), WriteFailed());
  EXPECT_EQ(both_.env->Stats().frames_dirty, kPages);
  Mend();
  EXPECT_THAT(both_.file->Sync(), IsOk());
  ExpectOnDisk("first");
}

TEST_F(WriteErrorTest, AnotherProcessWritesUnwritablePages) {
  FailWrites();
  EXPECT_THAT(both_.env->Sync(), WriteFailed());
  Child other([&](Channel&) -> std::string {
    Mend();
    return DbEnv::Open(home_.path())->get()->Sync().ToString();
  });
  EXPECT_EQ(other.End(), "OK");
  ExpectOnDisk("first");
  EXPECT_EQ(both_.env->Stats().frames_dirty, 0u);
  EXPECT_THAT(both_.file->Sync(), IsOk());
}

TEST_F(WriteErrorTest, UnwritableVictimIsNotLost) {
  FailWrites();
  PageNo page = kPages;
  absl::Status status;
  while (status.ok() && page < 1000) {
    status = PutText(*both_.file, page, "more");
    if (status.ok()) ++page;
  }
  EXPECT_THAT(status, Fails(StatusCode::kResourceExhausted, "find a frame",
                            "could not be written", path_, "Input/output"));
  EXPECT_EQ(page, test::kSmallCache / 4096);
  Mend();
  EXPECT_THAT(PutText(*both_.file, page, "more"), IsOk());
  EXPECT_THAT(both_.file->Sync(), IsOk());
  ExpectOnDisk("first");
  for (PageNo i = kPages; i <= page; ++i) {
    EXPECT_EQ(DiskText(path_, i), "more");
  }
}

TEST_F(WriteErrorTest, FailedReadLeavesNoTrace) {
  ASSERT_THAT(both_.Close(), IsOk());
  const TempHome cold;
  auto fresh = *OpenBoth(cold.path(), SmallEnv(), path_);
  os::Sys().pread = [](int, void*, size_t, off_t) -> ssize_t {
    errno = EIO;
    return -1;
  };
  const uint64_t frames = test::kSmallCache / 4096;
  for (PageNo i = 0; i < 2 * frames; ++i) {
    ASSERT_THAT(fresh.file->Get(i % kPages),
                Fails(StatusCode::kDataLoss, "read", path_));
  }
  EXPECT_EQ(fresh.env->Stats().frames_clean, 0u);
  Mend();
  for (PageNo page = 0; page < kPages; ++page) {
    EXPECT_EQ(GetText(*fresh.file, page), "first");
  }
}

// The pages are dirty again in the pool of all processes. A Sync of any process
// writes all of them again.
TEST_F(WriteErrorTest, AnotherProcessClearsFailedFsync) {
  FailFsync();
  EXPECT_THAT(both_.file->Sync(),
              Fails(StatusCode::kDataLoss, "sync file", path_, "fsync",
                    "Input/output error", "may be lost"));
  EXPECT_THAT(both_.env->Sync(), Fails(StatusCode::kDataLoss, path_));
  Mend();
  EXPECT_EQ(both_.env->Stats().frames_dirty, kPages);
  EXPECT_EQ(test::InChild([&]() -> std::string {
              auto both = *OpenBoth(home_.path());
              EXPECT_THAT(both.file->Sync(), IsOk());
              return GetText(*both.file, 0);
            }),
            "first");
  EXPECT_EQ(both_.env->Stats().frames_dirty, 0u);
  EXPECT_THAT(both_.file->Sync(), IsOk());
  ExpectOnDisk("first");
}

// The page of the failed fsync is no longer in the pool.
TEST_F(WriteErrorTest, FailedFsyncIsKnownUntilDiscard) {
  for (PageNo page = kPages; page < 400; ++page) {
    ASSERT_THAT(PutText(*both_.file, page, "more"), IsOk());
  }
  FailFsync();
  EXPECT_THAT(both_.file->Sync(), Fails(StatusCode::kDataLoss));
  Mend();
  EXPECT_THAT(both_.file->Close(), IsOk());
  EXPECT_THAT(both_.env->Close(), FsyncFailedBefore());
  both_ = {};
  ASSERT_FALSE(events_.empty());
  EXPECT_EQ(events_.back().kind, Event::Kind::kWriteFailed);
  EXPECT_THAT(OpenBoth(home_.path())->file->Sync(), FsyncFailedBefore());
  EXPECT_THAT(DbEnv::Remove(home_.path()),
              Fails(StatusCode::kFailedPrecondition, "earlier fsync failed"));
  EXPECT_THAT(DbEnv::Remove(home_.path(), true), IsOk());
  auto fresh = *OpenBoth(home_.path());
  EXPECT_EQ(GetText(*fresh.file, 0), "first");
  EXPECT_THAT(fresh.file->Sync(), IsOk());
}

TEST_F(WriteErrorTest, UnwritablePagesDoNotKeepHandle) {
  FailWrites();
  both_.file.reset();
  ASSERT_FALSE(events_.empty());
  EXPECT_EQ(events_.back().kind, Event::Kind::kWriteFailed);
  EXPECT_THAT(both_.env->Close(), WriteFailed());
  Mend();
  EXPECT_THAT(both_.env->Close(), IsOk());
  ExpectOnDisk("first");
}

TEST_F(WriteErrorTest, LastCloseWithoutSyncFsyncsNothing) {
  ASSERT_THAT(both_.Close(), IsOk());
  EnvOptions options = SmallEnv();
  options.sync_on_last_close = false;
  both_ = *OpenBoth(home_.path(), options);
  PutAll("second");
  static int fsyncs;
  fsyncs = 0;
  os::Sys().fsync = [](int fd) {
    ++fsyncs;
    return os::RealSyscalls().fsync(fd);
  };
  EXPECT_THAT(both_.Close(), IsOk());
  EXPECT_EQ(fsyncs, 0);
  ExpectOnDisk("second");
  both_ = *OpenBoth(home_.path());
  PutAll("third");
  EXPECT_THAT(both_.Close(), IsOk());
  EXPECT_GT(fsyncs, 0);
}

}  // namespace
}  // namespace mpool
