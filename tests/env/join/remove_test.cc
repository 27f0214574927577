// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// remove_test.cc - dirty pages after all their processes were killed: the next
// process adopts them, Remove writes them back, and force discards them.

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mpool/mpool.h"
#include "tests/support/all_backings.h"
#include "tests/support/child.h"
#include "tests/support/pages.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_home.h"

namespace mpool {
namespace {

namespace fs = std::filesystem;

using absl::StatusCode;
using test::AllOf;
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
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr PageNo kPages = 30;

class RemoveTest : public ::testing::TestWithParam<Backing> {
 protected:
  RemoveTest() : path_(home_.Below("pages.db")) {}

  // Puts pages that are not on disk, and dies.
  void LeaveDirtyPages() {
    Child child([&](Channel& parent) -> std::string {
      auto both = *OpenBoth(home_.path(), SmallEnv(GetParam()));
      for (PageNo page = 0; page < kPages; ++page) {
        EXPECT_THAT(PutText(*both.file, page, "old"), IsOk());
      }
      EXPECT_THAT(both.file->Sync(), IsOk());
      for (PageNo page = 0; page < kPages; ++page) {
        EXPECT_THAT(PutText(*both.file, page, "put"), IsOk());
      }
      parent.Say("put");
      return parent.Hear();
    });
    ASSERT_EQ(child.Hear(), "put");
    ASSERT_EQ(child.Kill(), test::kKilled);
    ExpectOnDisk("old");
  }
  void ExpectOnDisk(const std::string& text) {
    for (PageNo page = 0; page < kPages; ++page) {
      ASSERT_EQ(DiskText(path_, page), text) << "page " << page;
    }
  }

  TempHome home_;
  const std::string path_;
};
INSTANTIATE_TEST_SUITE_P(Shared, RemoveTest,
                         ::testing::ValuesIn(os::kSharedBackings),
                         os::BackingText);

TEST_P(RemoveTest, AHomeWithoutARegionIsOk) {
  EXPECT_THAT(DbEnv::Remove(home_.path()), IsOk());
  EXPECT_THAT(DbEnv::Remove(home_.path(), true), IsOk());
  EXPECT_THAT(AllOf(home_.path()), IsEmpty());
}

TEST_P(RemoveTest, UsedHomeIsRefusedDespiteForce) {
  auto both = *OpenBoth(home_.path(), SmallEnv(GetParam()));
  ASSERT_THAT(PutText(*both.file, 0, "x"), IsOk());
  const auto before = AllOf(home_.path());
  for (const bool force : {false, true}) {
    const auto refused =
        Fails(StatusCode::kFailedPrecondition, "remove region of", home_.path(),
              "in use", "close every program");
    EXPECT_THAT(DbEnv::Remove(home_.path(), force), refused);
    EXPECT_EQ(test::InChild([&] {
                EXPECT_THAT(DbEnv::Remove(home_.path(), force), refused);
                return std::string("refused");
              }),
              "refused");
  }
  EXPECT_EQ(AllOf(home_.path()), before);
  EXPECT_EQ(GetText(*both.file, 0), "x");
  EXPECT_THAT(both.Close(), IsOk());
  EXPECT_THAT(DbEnv::Remove(home_.path()), IsOk());
  EXPECT_THAT(AllOf(home_.path()), ElementsAre("pages.db"));
}

TEST_P(RemoveTest, DirtyPagesOfTheDeadAreWritten) {
  LeaveDirtyPages();
  EXPECT_THAT(DbEnv::Remove(home_.path()), IsOk());
  ExpectOnDisk("put");
  EXPECT_THAT(AllOf(home_.path()), ElementsAre("pages.db"));
}

TEST_P(RemoveTest, ForceDiscardsThem) {
  LeaveDirtyPages();
  EXPECT_THAT(DbEnv::Remove(home_.path(), true), IsOk());
  ExpectOnDisk("old");
  EXPECT_THAT(AllOf(home_.path()), ElementsAre("pages.db"));
  EXPECT_EQ(GetText(*OpenBoth(home_.path())->file, 0), "old");
}

TEST_P(RemoveTest, UnwritablePagesAreKeptAndCounted) {
  LeaveDirtyPages();
  fs::rename(path_, path_ + ".away");
  EXPECT_THAT(DbEnv::Remove(home_.path()),
              Fails(StatusCode::kFailedPrecondition, "remove", home_.path(),
                    "30 of them dirty", path_, "force"));
  fs::rename(path_ + ".away", path_);
  EXPECT_EQ((*DbEnv::Inspect(home_.path())).frames_dirty, kPages);
  EXPECT_THAT(DbEnv::Remove(home_.path()), IsOk());
  ExpectOnDisk("put");
}

TEST_P(RemoveTest, FileThatTookNameIsNotWritten) {
  LeaveDirtyPages();
  fs::rename(path_, path_ + ".away");
  test::MakeFile(path_, std::string(kPages * 4096, 'x'));
  EXPECT_THAT(DbEnv::Remove(home_.path()),
              Fails(StatusCode::kFailedPrecondition, path_,
                    "another file has that name"));
  EXPECT_EQ(test::BytesOf(path_), std::string(kPages * 4096, 'x'));
}

TEST_P(RemoveTest, LostLockFileKeepsPages) {
  LeaveDirtyPages();
  fs::remove(home_.Below("__db.register"));
  EXPECT_THAT(DbEnv::Remove(home_.path()), IsOk());
  ExpectOnDisk("put");
  EXPECT_THAT(AllOf(home_.path()), ElementsAre("pages.db"));
}

TEST_P(RemoveTest, NextOpenKeepsPagesForSync) {
  LeaveDirtyPages();
  auto both = *OpenBoth(home_.path(), SmallEnv(GetParam()));
  const EnvStats stats = both.env->Stats();
  EXPECT_EQ(stats.frames_dirty, kPages);
  EXPECT_EQ(stats.processes, 1u);
  EXPECT_EQ(stats.repairs, 1u);
  const uint64_t read_before = stats.pages_read;
  for (PageNo page = 0; page < kPages; ++page) {
    EXPECT_EQ(GetText(*both.file, page), "put");
  }
  EXPECT_EQ(both.env->Stats().pages_read, read_before);
  ExpectOnDisk("old");
  EXPECT_THAT(both.file->Sync(), IsOk());
  ExpectOnDisk("put");
  EXPECT_EQ(both.env->Stats().frames_dirty, 0u);
}

TEST_P(RemoveTest, NextCloseWritesPagesOfUnopenedFile) {
  LeaveDirtyPages();
  auto env = *DbEnv::Open(home_.path(), SmallEnv());
  EXPECT_THAT(env->Close(), IsOk());
  ExpectOnDisk("put");
}

TEST_P(RemoveTest, FileChangedByOthersIsRefused) {
  LeaveDirtyPages();
  test::Overwrite(path_, 0, "by others");
  auto env = *DbEnv::Open(home_.path(), SmallEnv());
  EXPECT_THAT(env->OpenFile("pages.db"),
              Fails(StatusCode::kFailedPrecondition, "open file", path_,
                    "changed by others", "30 of its pages are dirty",
                    "mpool forget"));
}

}  // namespace
}  // namespace mpool
