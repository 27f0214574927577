// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// fsync_test.cc - a failed or interrupted fsync, and a death inside one: the
// error is reported, and no page counts as durable that may not be.

#include <fcntl.h>
#include <signal.h>

#include <cerrno>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mpool/mpool.h"
#include "os/clock.h"
#include "region/limits.h"
#include "tests/env/files/durability.h"
#include "tests/support/child.h"
#include "tests/support/pages.h"
#include "tests/support/status_matchers.h"

namespace mpool {
namespace {

using absl::StatusCode;
using test::Channel;
using test::Child;
using test::DiskText;
using test::Fails;
using test::IsOk;
using test::OpenBoth;
using test::PutText;
using test::SmallEnv;

class FsyncTest : public DurabilityTest {
 protected:
  // Runs a process that puts `pages` pages and dies in the fsync of these
  // pages.
  void DieInFsync(PageNo pages) {
    Child other([&](Channel&) -> std::string {
      auto both = *OpenBoth(home_.path());
      for (PageNo page = 0; page < pages; ++page) {
        EXPECT_THAT(PutText(*both.file, page, "put"), IsOk());
      }
      os::Sys().fsync = [](int) -> int {
        ::raise(SIGKILL);
        return -1;
      };
      both.file->Sync().IgnoreError();
      return "";
    });
    EXPECT_EQ(other.End(), test::kKilled);
  }
};

TEST_F(FsyncTest, InterruptedFsyncIsRepeated) {
  auto both = *OpenBoth(home_.path());
  ASSERT_THAT(PutText(*both.file, 0, "put"), IsOk());
  fsync_errors = {EINTR, EINTR};
  EXPECT_THAT(both.file->Sync(), IsOk());
  EXPECT_EQ(Unsynced(), 0u);
  // Sync does not retry forever, and the interruption leaves no error behind.
  ASSERT_THAT(PutText(*both.file, 0, "again"), IsOk());
  fsync_errors.assign(100, EINTR);
  EXPECT_THAT(both.file->Sync(),
              Fails(StatusCode::kUnavailable, "pages.db", "call Sync again"));
  fsync_errors.clear();
  EXPECT_THAT(both.file->Sync(), IsOk());
  EXPECT_EQ(DiskText(home_.Below("pages.db"), 0), "again");
}

TEST_F(FsyncTest, RewritingSyncClearsFailure) {
  for (const int error : {EIO, ENOSPC, EDQUOT}) {
    auto both = *OpenBoth(home_.path());
    for (PageNo page = 0; page < 5; ++page) {
      ASSERT_THAT(PutText(*both.file, page, "put"), IsOk());
    }
    fsync_errors = {error};
    EXPECT_THAT(both.file->Sync(), FsyncFailed());
    EXPECT_EQ(both.env->Stats().frames_dirty, 5u);
    const uint64_t before = both.env->Stats().pages_written;
    EXPECT_THAT(both.file->Sync(), IsOk());
    EXPECT_EQ(both.env->Stats().pages_written, before + 5);
    EXPECT_THAT(both.Close(), IsOk());
  }
}

TEST_F(FsyncTest, FailureStaysIfPageWasEvicted) {
  auto both = *OpenBoth(home_.path());
  for (PageNo page = 0; page < 400; ++page) {
    ASSERT_THAT(PutText(*both.file, page, "put"), IsOk());
  }
  fsync_errors = {EIO};
  EXPECT_THAT(both.file->Sync(), FsyncFailed());
  for (int i = 0; i < 3; ++i) {
    EXPECT_THAT(both.file->Sync(),
                Fails(StatusCode::kDataLoss, "earlier fsync failed",
                      "had left the pool", "check the file"));
  }
  EXPECT_EQ(test::InChild([&]() -> std::string {
              auto own = *OpenBoth(home_.path());
              return std::string(own.file->Sync().message());
            }).find("sync file"),
            0u);
}

TEST_F(FsyncTest, PagesEvictedBeforeGoodFsyncAreSafe) {
  auto both = *OpenBoth(home_.path());
  for (PageNo page = 0; page < 400; ++page) {
    ASSERT_THAT(PutText(*both.file, page, "put"), IsOk());
  }
  EXPECT_THAT(both.file->Sync(), IsOk());
  ASSERT_THAT(PutText(*both.file, 0, "new"), IsOk());
  fsync_errors = {EIO};
  EXPECT_THAT(both.file->Sync(), FsyncFailed());
  EXPECT_THAT(both.file->Sync(), IsOk());
}

// A call that does something else fsyncs the descriptor of a closed file.
TEST_F(FsyncTest, UnreturnedErrorIsReportedByNextSync) {
  auto env = Open();
  PutAndClose(*env, "first.db");
  fsync_errors = {EIO};
  for (int i = 0; i < 40; ++i) PutAndClose(*env, absl::StrCat("f", i));
  EXPECT_TRUE(fsync_errors.empty());
  EXPECT_THAT(env->Sync(), Fails(StatusCode::kDataLoss, "first.db"));
  EXPECT_THAT(env->Sync(), IsOk());
  EXPECT_EQ(Unsynced(), 0u);
}

TEST_F(FsyncTest, DeathInFsyncIsFailureForSurvivors) {
  auto both = *OpenBoth(home_.path());
  ASSERT_NO_FATAL_FAILURE(DieInFsync(5));
  EXPECT_THAT(both.file->Sync(), Fails(StatusCode::kDataLoss, "pages.db"));
  EXPECT_THAT(both.file->Sync(), IsOk());
  EXPECT_EQ(Unsynced(), 0u);
  EXPECT_EQ(DiskText(home_.Below("pages.db"), 4), "put");
}

TEST_F(FsyncTest, DeathInFsyncIsFailureForAdopter) {
  ASSERT_NO_FATAL_FAILURE(DieInFsync(5));
  auto both = *OpenBoth(home_.path());
  EXPECT_THAT(both.file->Sync(), Fails(StatusCode::kDataLoss, "pages.db"));
  EXPECT_THAT(both.file->Sync(), IsOk());
  ASSERT_THAT(both.Close(), IsOk());
  // The last Close and Remove report the error, too.
  ASSERT_NO_FATAL_FAILURE(DieInFsync(5));
  EXPECT_THAT(DbEnv::Remove(home_.path()),
              Fails(StatusCode::kFailedPrecondition, "pages.db"));
  EXPECT_THAT(DbEnv::Remove(home_.path()), IsOk());
  ASSERT_NO_FATAL_FAILURE(DieInFsync(5));
  auto env = *DbEnv::Open(home_.path());
  EXPECT_THAT(env->Close(), Fails(StatusCode::kDataLoss, "pages.db"));
  EXPECT_THAT(env->Close(), IsOk());
}

TEST_F(FsyncTest, DeathInLargeFsyncStaysKnown) {
  auto both = *OpenBoth(home_.path());
  ASSERT_NO_FATAL_FAILURE(DieInFsync(400));
  for (int i = 0; i < 2; ++i) {
    EXPECT_THAT(both.file->Sync(),
                Fails(StatusCode::kDataLoss, "had left the pool"));
  }
}

// If another file reused the entry, the error of the first file would be lost.
TEST_F(FsyncTest, EntryWithErrorIsNotReused) {
  auto env = Open();
  PutAndClose(*env, "first.db");
  fsync_errors = {EIO};
  fsync_is_real = false;
  for (uint32_t i = 0; i < kMaxFiles; ++i) {
    PutAndClose(*env, absl::StrCat("f", i), 512);
  }
  EXPECT_THAT(env->Sync(), Fails(StatusCode::kDataLoss, "first.db"));
}

// A new page size gives the entry a new generation, and no error is lost.
TEST_F(FsyncTest, OpenWithOtherPageSizeKeepsError) {
  auto env = Open();
  PutAndClose(*env, "a.db");
  auto half = env->OpenFile("a.db", {.page_size = 2048});
  ASSERT_THAT(half, IsOk());
  EXPECT_EQ(Unsynced(), 0u);
  ASSERT_THAT(PutText(**half, 0, "half"), IsOk());
  ASSERT_THAT((*half)->Close(), IsOk());
  fsync_errors = {EIO};
  EXPECT_THAT(env->OpenFile("a.db"), Fails(StatusCode::kUnavailable, "a.db",
                                           "could not be synced"));
  EXPECT_TRUE(fsync_errors.empty());
  EXPECT_THAT(env->Sync(), Fails(StatusCode::kDataLoss, "a.db"));
  EXPECT_THAT(env->Sync(), IsOk());
  EXPECT_THAT(env->OpenFile("a.db"), IsOk());
}

// The kernel may forget the write of a process that is gone.
TEST_F(FsyncTest, DeadWritersPagesAreRewritten) {
  for (const bool survives : {true, false}) {
    SCOPED_TRACE(survives);
    std::unique_ptr<DbEnv> env;
    if (survives) env = Open();
    Child other([&](Channel&) -> std::string {
      auto both = *OpenBoth(home_.path());
      for (PageNo page = 0; page < 5; ++page) {
        EXPECT_THAT(PutText(*both.file, page, "put"), IsOk());
      }
      EXPECT_THAT(both.file->Close(), IsOk());
      EXPECT_EQ(both.env->Stats().frames_dirty, 0u);
      ::raise(SIGKILL);
      return "";
    });
    EXPECT_EQ(other.End(), test::kKilled);
    if (!survives) env = Open();
    EXPECT_THAT(env->FailCheck(), IsOk());
    EXPECT_EQ(env->Stats().frames_dirty, 5u);
    const uint64_t before = env->Stats().pages_written;
    EXPECT_THAT(env->Sync(), IsOk());
    EXPECT_EQ(env->Stats().pages_written, before + 5);
    EXPECT_EQ(Unsynced(), 0u);
    EXPECT_THAT(env->Close(), IsOk());
    // The mark of the suspect is off: the kernel's cache is not dropped.
    os::Sys().fadvise = [](int, off_t, off_t, int) {
      ADD_FAILURE() << "fadvise";
      return 0;
    };
    auto both = *OpenBoth(home_.path());
    EXPECT_THAT(PutText(*both.file, 0, "put"), IsOk());
    EXPECT_THAT(both.file->Sync(), IsOk());
    os::Sys().fadvise = os::RealSyscalls().fadvise;
  }
}

// The Sync has looked for dirty pages already.
TEST_F(FsyncTest, WriterDeathDuringSyncIsNoticed) {
  auto env = Open();
  static Child* writer;
  Child other([&](Channel& parent) -> std::string {
    auto both = *OpenBoth(home_.path());
    EXPECT_THAT(PutText(*both.file, 0, "put"), IsOk());
    EXPECT_THAT(both.file->Close(), IsOk());
    parent.Say("put");
    return parent.Hear();
  });
  writer = &other;
  ASSERT_EQ(other.Hear(), "put");
  const uint64_t before = env->Stats().pages_written;
  os::Sys().open = [](const char* path, int flags, mode_t mode) {
    if (writer != nullptr) std::exchange(writer, nullptr)->Kill();
    return os::RealSyscalls().open(path, flags, mode);
  };
  EXPECT_THAT(env->Sync(), IsOk());
  EXPECT_EQ(writer, nullptr);
  EXPECT_EQ(env->Stats().pages_written, before + 1);
  EXPECT_EQ(Unsynced(), 0u);
}

// An fsync of another process began before the writes of this one.
TEST_F(FsyncTest, ALeaverWaitsForAnotherFsync) {
  auto env = Open();
  auto held = *env->OpenFile("a.db", {.create = true});
  Child other([&](Channel& parent) -> std::string {
    static Channel* const channel = &parent;
    auto mine = *OpenBoth(home_.path(), SmallEnv(), "a.db");
    EXPECT_THAT(PutText(*mine.file, 0, "theirs"), IsOk());
    os::Sys().fsync = [](int fd) -> int {
      static bool is_first = true;  // the second is of the directory
      if (std::exchange(is_first, false)) {
        channel->Say("in");
        channel->Hear();
      }
      return os::RealSyscalls().fsync(fd);
    };
    parent.Say(mine.file->Sync().ToString());
    return parent.Hear();
  });
  ASSERT_EQ(other.Hear(), "in");
  ASSERT_THAT(PutText(*held, 1, "mine"), IsOk());
  EXPECT_THAT(held->Close(), IsOk());
  auto evictor = *env->OpenFile("other.db", {.create = true});
  for (PageNo page = 0; page < 600; ++page) {
    ASSERT_THAT(PutText(*evictor, page, "other"), IsOk());
  }
  ASSERT_THAT(evictor->Close(), IsOk());
  ASSERT_NE(Unsynced(), 0u);
  std::thread later([&] {
    os::Sleep(absl::Milliseconds(50));
    other.Say("go");
  });
  EXPECT_THAT(env->Close(), IsOk());
  later.join();
  EXPECT_EQ(Unsynced(), 0u);
  EXPECT_EQ(other.Hear(), "OK");
  other.Say("end");
  EXPECT_EQ(other.End(), "end");
}

// A Sync of another process waits for the running fsync and returns its
// outcome.
TEST_F(FsyncTest, SecondFsyncLearnsOfFirstsFailure) {
  auto both = *OpenBoth(home_.path());
  Child other([&](Channel& parent) -> std::string {
    static Channel* const channel = &parent;
    auto mine = *OpenBoth(home_.path());
    EXPECT_THAT(PutText(*mine.file, 0, "put"), IsOk());
    os::Sys().fsync = [](int) -> int {
      channel->Say("in");
      channel->Hear();
      ::raise(SIGKILL);
      return -1;
    };
    return mine.file->Sync().ToString();
  });
  ASSERT_EQ(other.Hear(), "in");
  SyncOptions try_it;
  try_it.wait = absl::ZeroDuration();
  EXPECT_THAT(both.env->Sync(try_it),
              Fails(StatusCode::kDeadlineExceeded, "pages.db",
                    absl::StrCat("process ", other.pid())));
  other.Say("die");
  EXPECT_THAT(both.env->Sync(), Fails(StatusCode::kDataLoss, "pages.db"));
  EXPECT_EQ(other.End(), test::kKilled);
  EXPECT_THAT(both.env->Sync(), IsOk());
}

}  // namespace
}  // namespace mpool
