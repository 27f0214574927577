// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// troubled_file_test.cc - page files that are renamed, removed or cut while
// they are in use, or that are full, and the effect on the other files of the
// environment.

#include <signal.h>

#include <filesystem>
#include <thread>

#include "absl/strings/str_cat.h"
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

namespace fs = std::filesystem;

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

constexpr PageNo kCachePages = test::kSmallCache / 4096;

class TroubledFileTest : public os::SyscallTest {
 protected:
  TroubledFileTest() { EXPECT_THAT(PutText(*both_.file, 0, "kept"), IsOk()); }

  std::unique_ptr<MPoolFile> OpenOther(const std::string& name) {
    return *both_.env->OpenFile(name, {.create = true});
  }
  // Puts as many dirty pages as the cache has frames.
  static void FillCache(MPoolFile& file) {
    for (PageNo page = 0; page < kCachePages; ++page) {
      EXPECT_THAT(PutText(file, page, "full"), IsOk());
    }
  }

  test::TempHome home_;
  test::Opened both_ = *OpenBoth(home_.path());
};

TEST_F(TroubledFileTest, ReopenedRenamedFileIsWritten) {
  Child other([&](Channel& parent) -> std::string {
    auto mine = *OpenBoth(home_.path());
    EXPECT_EQ(GetText(*mine.file, 0), "kept");
    parent.Say("in");
    parent.Hear();
    // This evicts pages that only this process can write back now.
    for (PageNo page = 0; page < kCachePages; ++page) {
      EXPECT_THAT(PutText(*mine.file, page, "mine"), IsOk());
    }
    return mine.Close().ToString();
  });
  ASSERT_EQ(other.Hear(), "in");
  auto file = OpenOther("old.db");
  fs::rename(home_.Below("old.db"), home_.Below("new.db"));
  auto again = *both_.env->OpenFile("new.db");
  FillCache(*again);
  other.Say("go");
  EXPECT_EQ(other.End(), "OK");
  EXPECT_THAT(both_.env->Sync(), IsOk());
  EXPECT_EQ(DiskText(home_.Below("new.db"), 7), "full");
}

TEST_F(TroubledFileTest, RemovedFileIsNamed) {
  os::ForbidHandles();
  Child other([&](Channel&) -> std::string {
    auto mine = *OpenBoth(home_.path(), SmallEnv(), "gone.db");
    FillCache(*mine.file);
    ::raise(SIGKILL);
    return "";
  });
  EXPECT_EQ(other.End(), test::kKilled);
  fs::remove(home_.Below("gone.db"));
  // Only frames of pages that can be written back are usable. Hold these.
  std::vector<WritePage> held;
  absl::Status status;
  while (status.ok() && held.size() < kCachePages) {
    absl::StatusOr<WritePage> page = both_.file->New();
    status = page.status();
    if (page.ok()) held.push_back(*std::move(page));
  }
  EXPECT_THAT(status, Fails(StatusCode::kResourceExhausted, "find a frame",
                            "dirty", home_.Below("gone.db"),
                            "not there any more", "mpool forget"));
}

TEST_F(TroubledFileTest, UnwritableFileDoesNotBlockOthers) {
  os::ForbidHandles();
  Child other([&](Channel&) -> std::string {
    auto mine = *OpenBoth(home_.path(), SmallEnv(), "gone.db");
    EXPECT_THAT(PutText(*mine.file, 0, "lost"), IsOk());
    ::raise(SIGKILL);
    return "";
  });
  EXPECT_EQ(other.End(), test::kKilled);
  fs::remove(home_.Below("gone.db"));
  auto last = OpenOther("last.db");
  ASSERT_THAT(PutText(*last, 0, "written"), IsOk());
  EXPECT_THAT(both_.env->Sync(),
              Fails(StatusCode::kNotFound, home_.Below("gone.db")));
  EXPECT_EQ(DiskText(home_.Below("pages.db"), 0), "kept");
  EXPECT_EQ(DiskText(home_.Below("last.db"), 0), "written");
}

TEST_F(TroubledFileTest, HalfPageIsDataLoss) {
  ASSERT_THAT(PutText(*both_.file, 2, "cut"), IsOk());
  ASSERT_THAT(both_.file->Sync(), IsOk());
  auto other = OpenOther("other.db");
  FillCache(*other);
  fs::resize_file(home_.Below("pages.db"), 2 * 4096 + 100);
  EXPECT_THAT(both_.file->Get(2),
              Fails(StatusCode::kDataLoss, "page 2", home_.Below("pages.db"),
                    "100 bytes into it", "restore"));
  EXPECT_EQ(GetText(*both_.file, 0), "kept");
}

TEST_F(TroubledFileTest, PageCutOffDiskIsDataLoss) {
  ASSERT_THAT(PutText(*both_.file, 2, "cut"), IsOk());
  ASSERT_THAT(both_.file->Sync(), IsOk());
  auto other = OpenOther("other.db");
  FillCache(*other);
  fs::resize_file(home_.Below("pages.db"), 4096);
  // A write before the cut does not hide the cut.
  ASSERT_THAT(PutText(*both_.file, 0, "kept"), IsOk());
  ASSERT_THAT(both_.file->Sync(), IsOk());
  for (const PageNo page : {1u, 2u}) {
    EXPECT_THAT(both_.file->Get(page),
                Fails(StatusCode::kDataLoss, absl::StrCat("page ", page),
                      home_.Below("pages.db"), "0 bytes into it", "restore"));
  }
  EXPECT_EQ(GetText(*both_.file, 0), "kept");
  // A page that was never written is merely absent.
  GetOptions create;
  create.create = true;
  EXPECT_THAT(both_.file->GetForUpdate(4, create), IsOk());
  EXPECT_EQ(GetText(*both_.file, 3), "");
}

TEST_F(TroubledFileTest, PageBeyondLimitIsOutOfRange) {
  // Limits the offset as ext4 does with blocks of 4 KiB.
  os::Sys().lseek = [](int, off_t offset, int) -> off_t {
    return offset <= off_t{1} << 44 ? offset : -1;
  };
  GetOptions create;
  create.create = true;
  const PageNo beyond = (uint64_t{1} << 44) / 4096;
  EXPECT_THAT(both_.file->GetForUpdate(beyond, create),
              Fails(StatusCode::kOutOfRange, absl::StrCat("page ", beyond),
                    home_.Below("pages.db"), "file system"));
  EXPECT_EQ(both_.file->page_count(), 1u);
  EXPECT_EQ((*both_.file->New()).number(), 1u);
}

TEST_F(TroubledFileTest, CallWithoutFrameMakesNoPage) {
  FillCache(*both_.file);
  std::vector<ReadPage> all;
  for (PageNo page = 0; page < kCachePages; ++page) {
    all.push_back(*both_.file->Get(page));
  }
  EXPECT_THAT(both_.file->New(),
              Fails(StatusCode::kResourceExhausted, "find a frame"));
  GetOptions options;
  options.create = true;
  options.wait = absl::ZeroDuration();
  EXPECT_THAT(both_.file->GetForUpdate(5000, options),
              Fails(StatusCode::kResourceExhausted, "find a frame"));
  EXPECT_EQ(both_.file->page_count(), kCachePages);
  all.clear();
  EXPECT_EQ((*both_.file->New()).number(), kCachePages);
}

// The reader of each page syncs the other reader's file while writers wait for
// both pages.
TEST_F(TroubledFileTest, SyncDoesNotAwaitWaitingWriter) {
  auto other = OpenOther("other.db");
  ASSERT_THAT(PutText(*other, 0, "other"), IsOk());
  auto read_one = *both_.file->Get(0);
  std::thread syncer([&] {
    auto read_other = *other->Get(0);
    std::thread writer(
        [&] { EXPECT_THAT(PutText(*both_.file, 0, "new"), IsOk()); });
    absl::SleepFor(absl::Milliseconds(30));
    EXPECT_THAT(both_.file->Sync(), IsOk());
    read_other.Put();
    writer.join();
  });
  std::thread writer([&] { EXPECT_THAT(PutText(*other, 0, "new"), IsOk()); });
  absl::SleepFor(absl::Milliseconds(60));
  EXPECT_THAT(other->Sync(), IsOk());
  read_one.Put();
  writer.join();
  syncer.join();
  EXPECT_EQ(GetText(*both_.file, 0), "new");
}

TEST_F(TroubledFileTest, DyingChildrenDoNotFillRegion) {
  for (int i = 0; i < 300; ++i) {
    ASSERT_EQ(test::InChild([&]() -> std::string {
                if (GetText(*both_.file, 0) != "kept") return "wrong";
                ::raise(SIGKILL);
                return "";
              }),
              test::kKilled)
        << i;
  }
}

}  // namespace
}  // namespace mpool
