// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// forget_test.cc - pages of files without a name are given up and block no
// other file. Pages of renamed files stay. Forget and Discard give up the pages
// of one file.

#include <signal.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <vector>

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

using absl::StatusCode;
using test::Channel;
using test::Child;
using test::Fails;
using test::GetText;
using test::InChild;
using test::IsOk;
using test::OpenBoth;
using test::PutText;
using test::SmallEnv;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr PageNo kScratchPages = 20;

class ForgetTest : public ::testing::Test {
 protected:
  ~ForgetTest() override { os::Sys() = os::RealSyscalls(); }

  EnvOptions Options() {
    EnvOptions options = SmallEnv();
    options.on_event = [this](const Event& event) {
      if (event.kind == Event::Kind::kForgotten) {
        forgotten_.push_back(event.message);
      }
    };
    return options;
  }
  // Runs a process that puts pages of the file and dies with them dirty.
  void DieWithDirtyPages(const std::string& name) {
    ASSERT_EQ(InChild([&]() -> std::string {
                auto both = *OpenBoth(home_.path(), SmallEnv(), name);
                for (PageNo page = 0; page < kScratchPages; ++page) {
                  EXPECT_THAT(PutText(*both.file, page, "put"), IsOk());
                }
                ::raise(SIGKILL);
                return "";
              }),
              test::kKilled);
  }

  test::TempHome home_;
  std::vector<std::string> forgotten_;
};

TEST_F(ForgetTest, ScratchFilesOfTheDeadBlockNoOtherFile) {
  constexpr int kFiles = 100;
  EnvOptions options = Options();
  options.cache_bytes = 256 * 4096;
  auto both = *OpenBoth(home_.path(), options);
  for (PageNo page = 0; page < 400; ++page) {
    ASSERT_THAT(PutText(*both.file, page, "mine"), IsOk());
  }
  for (int i = 0; i < kFiles; ++i) {
    const std::string name = absl::StrCat("scratch", i);
    DieWithDirtyPages(name);
    ASSERT_EQ(::unlink(home_.Below(name).c_str()), 0);
    for (PageNo page = 0; page < 40; ++page) {
      ASSERT_EQ(GetText(*both.file, (i * 40 + page) % 400), "mine");
    }
  }
  EXPECT_THAT(both.env->Sync(), IsOk());
  EXPECT_EQ(both.env->Stats().frames_dirty, 0u);
  // The openings of the later processes forgot the other files.
  EXPECT_FALSE(forgotten_.empty());
  EXPECT_THAT(both.Close(), IsOk());
}

TEST_F(ForgetTest, EventNamesFileAndCounts) {
  auto both = *OpenBoth(home_.path(), Options());
  DieWithDirtyPages("scratch");
  ASSERT_EQ(::unlink(home_.Below("scratch").c_str()), 0);
  EXPECT_THAT(both.env->FailCheck().status(), IsOk());
  EXPECT_THAT(both.env->Sync(), IsOk());
  EXPECT_THAT(forgotten_,
              ElementsAre(AllOf(HasSubstr(home_.Below("scratch")),
                                HasSubstr("gave up 20 pages"),
                                HasSubstr("20 of them with changes"))));
}

TEST_F(ForgetTest, ReplacedFileIsForgotten) {
  auto both = *OpenBoth(home_.path(), Options());
  DieWithDirtyPages("scratch");
  std::ofstream(home_.Below("new")) << std::string(8192, 'n');
  std::filesystem::rename(home_.Below("new"), home_.Below("scratch"));
  EXPECT_THAT(both.env->Sync(), IsOk());
  EXPECT_EQ(forgotten_.size(), 1u);
  auto file = both.env->OpenFile("scratch");
  ASSERT_THAT(file.status(), IsOk());
  EXPECT_EQ((*file)->page_count(), 2u);
  EXPECT_EQ(GetText(**file, 0).front(), 'n');
}

TEST_F(ForgetTest, RemovedDirectoryIsNoObstacle) {
  auto both = *OpenBoth(home_.path(), Options());
  std::filesystem::create_directories(home_.Below("a/b"));
  DieWithDirtyPages("a/b/scratch");
  std::filesystem::remove_all(home_.Below("a"));
  EXPECT_THAT(both.env->Sync(), IsOk());
  EXPECT_EQ(forgotten_.size(), 1u);
}

TEST_F(ForgetTest, LastLeaverForgets) {
  DieWithDirtyPages("scratch");
  ASSERT_EQ(::unlink(home_.Below("scratch").c_str()), 0);
  auto both = *OpenBoth(home_.path(), Options());
  EXPECT_THAT(both.Close(), IsOk());
  EXPECT_THAT(DbEnv::Remove(home_.path()), IsOk());
}

TEST_F(ForgetTest, RemoveForgets) {
  DieWithDirtyPages("scratch");
  ASSERT_EQ(::unlink(home_.Below("scratch").c_str()), 0);
  EXPECT_THAT(DbEnv::Remove(home_.path()), IsOk());
}

TEST_F(ForgetTest, LostPageOfRemovedFileIsForgotten) {
  auto both = *OpenBoth(home_.path(), Options());
  ASSERT_EQ(InChild([&]() -> std::string {
              auto other = *OpenBoth(home_.path(), SmallEnv(), "scratch");
              FileOptions options;
              options.atomic_update = false;
              auto file = *other.env->OpenFile("scratch", options);
              EXPECT_THAT(PutText(*file, 0, "put"), IsOk());
              auto page = file->GetForUpdate(0);
              EXPECT_THAT(page.status(), IsOk());
              ::raise(SIGKILL);
              return "";
            }),
            test::kKilled);
  ASSERT_THAT(both.env->FailCheck().status(), IsOk());
  EXPECT_THAT(both.env->Sync(),
              Fails(StatusCode::kDataLoss, "page 0 of", "scratch"));
  ASSERT_EQ(::unlink(home_.Below("scratch").c_str()), 0);
  EXPECT_THAT(both.env->Sync(), IsOk());
  EXPECT_EQ(both.env->Stats().frames_poisoned, 0u);
}

// Its changes must reach the disk once it is opened under its new name.
TEST_F(ForgetTest, RenamedFileKeepsItsPages) {
  auto both = *OpenBoth(home_.path(), Options());
  DieWithDirtyPages("scratch");
  std::filesystem::create_directory(home_.Below("elsewhere"));
  std::filesystem::rename(home_.Below("scratch"),
                          home_.Below("elsewhere/renamed"));
  EXPECT_THAT(both.env->FailCheck().status(), IsOk());
  EXPECT_THAT(both.env->Sync(), Fails(StatusCode::kNotFound, "scratch"));
  EXPECT_TRUE(forgotten_.empty());
  auto renamed = both.env->OpenFile("elsewhere/renamed");
  ASSERT_THAT(renamed.status(), IsOk());
  EXPECT_EQ(GetText(**renamed, 0), "put");
  EXPECT_THAT(both.env->Sync(), IsOk());
}

TEST_F(ForgetTest, HardLinkKeepsPages) {
  auto both = *OpenBoth(home_.path(), Options());
  DieWithDirtyPages("scratch");
  std::filesystem::create_hard_link(home_.Below("scratch"),
                                    home_.Below("link"));
  ASSERT_EQ(::unlink(home_.Below("scratch").c_str()), 0);
  EXPECT_THAT(both.env->Sync(), Fails(StatusCode::kNotFound, "scratch"));
  EXPECT_TRUE(forgotten_.empty());
}

TEST_F(ForgetTest, OpenFileWithoutNameKeepsItsPages) {
  auto both = *OpenBoth(home_.path(), Options());
  ASSERT_THAT(PutText(*both.file, 0, "put"), IsOk());
  ASSERT_EQ(::unlink(home_.Below("pages.db").c_str()), 0);
  EXPECT_THAT(both.env->FailCheck().status(), IsOk());
  EXPECT_EQ(GetText(*both.file, 0), "put");
  EXPECT_THAT(both.env->Sync(), IsOk());
  EXPECT_TRUE(forgotten_.empty());
}

TEST_F(ForgetTest, UnprovenFileWaitsForForget) {
  auto both = *OpenBoth(home_.path(), Options());
  DieWithDirtyPages("scratch");
  ASSERT_EQ(::unlink(home_.Below("scratch").c_str()), 0);
  os::ForbidHandles();
  EXPECT_THAT(both.env->Sync(),
              Fails(StatusCode::kNotFound, "scratch", "DbEnv::Forget"));
  EXPECT_TRUE(forgotten_.empty());
  EXPECT_THAT(both.env->Forget("scratch"), IsOk());
  EXPECT_EQ(forgotten_.size(), 1u);
  EXPECT_THAT(both.env->Sync(), IsOk());
}

TEST_F(ForgetTest, ForgottenFileIsReadFromDisk) {
  auto both = *OpenBoth(home_.path(), Options());
  {
    auto file = *OpenBoth(home_.path(), Options(), "other.db");
    ASSERT_THAT(PutText(*file.file, 0, "disk"), IsOk());
  }
  ASSERT_THAT(both.env->Sync(), IsOk());
  DieWithDirtyPages("other.db");
  EXPECT_THAT(both.env->Forget(home_.Below("other.db")), IsOk());
  auto file = both.env->OpenFile("other.db");
  ASSERT_THAT(file.status(), IsOk());
  EXPECT_EQ((*file)->page_count(), 1u);
  EXPECT_EQ(GetText(**file, 0), "disk");
}

TEST_F(ForgetTest, RefusesOpenAndUnknownFiles) {
  auto both = *OpenBoth(home_.path(), Options());
  EXPECT_THAT(both.env->Forget("nothing"),
              Fails(StatusCode::kNotFound, "nothing"));
  EXPECT_THAT(both.env->Forget("pages.db"),
              Fails(StatusCode::kFailedPrecondition, "pages.db", "Discard"));
  Child other([&](Channel& parent) -> std::string {
    auto mine = *OpenBoth(home_.path(), SmallEnv(), "scratch");
    EXPECT_THAT(PutText(*mine.file, 0, "put"), IsOk());
    parent.Say("open");
    parent.Hear();
    return GetText(*mine.file, 0);
  });
  ASSERT_EQ(other.Hear(), "open");
  EXPECT_THAT(
      both.env->Forget("scratch"),
      Fails(StatusCode::kFailedPrecondition, "scratch", "has the file"));
  other.Say("go on");
  EXPECT_EQ(other.End(), "put");
}

TEST_F(ForgetTest, DiscardGivesUpChanges) {
  auto both = *OpenBoth(home_.path(), Options());
  ASSERT_THAT(PutText(*both.file, 0, "disk"), IsOk());
  ASSERT_THAT(both.file->Sync(), IsOk());
  ASSERT_THAT(PutText(*both.file, 0, "changed"), IsOk());
  ASSERT_THAT(PutText(*both.file, 1, "new"), IsOk());
  {
    auto guard = both.file->Get(0);
    EXPECT_THAT(both.file->Discard(),
                Fails(StatusCode::kFailedPrecondition, "pages.db", "held"));
  }
  EXPECT_THAT(both.file->Discard(), IsOk());
  EXPECT_EQ(both.file->page_count(), 1u);
  EXPECT_EQ(GetText(*both.file, 0), "disk");
  EXPECT_EQ(both.env->Stats().frames_dirty, 0u);
  auto second = both.env->OpenFile("pages.db");
  EXPECT_THAT(both.file->Discard(),
              Fails(StatusCode::kFailedPrecondition, "another handle"));
}

}  // namespace
}  // namespace mpool
