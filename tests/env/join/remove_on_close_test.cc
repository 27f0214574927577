// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// remove_on_close_test.cc - EnvOptions::remove_on_last_close: the last process
// leaves the page files and nothing else. If a page is not on disk, all stays.

#include <filesystem>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mpool/mpool.h"
#include "os/directory.h"
#include "os/step.h"
#include "os/syscalls.h"
#include "tests/support/all_backings.h"
#include "tests/support/child.h"
#include "tests/support/pages.h"
#include "tests/support/status_matchers.h"
#include "tests/support/step_names.h"
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
using test::TempHome;
using ::testing::ElementsAre;
using ::testing::Gt;
using ::testing::SizeIs;

class RemoveOnCloseTest : public ::testing::TestWithParam<Backing> {
 protected:
  RemoveOnCloseTest() : path_(home_.Below("pages.db")) {}
  ~RemoveOnCloseTest() override { os::Sys() = os::RealSyscalls(); }
  static EnvOptions Options(Backing backing = GetParam()) {
    EnvOptions options = test::SmallEnv(backing);
    options.remove_on_last_close = true;
    return options;
  }
  auto Open() { return OpenBoth(home_.path(), Options()); }

  TempHome home_;
  const std::string path_;
};
INSTANTIATE_TEST_SUITE_P(Shared, RemoveOnCloseTest,
                         ::testing::ValuesIn(os::kSharedBackings),
                         os::BackingText);

TEST_P(RemoveOnCloseTest, LastCloseLeavesOnlyPageFiles) {
  auto both = *Open();
  ASSERT_THAT(PutText(*both.file, 3, "put"), IsOk());
  EXPECT_THAT(AllOf(home_.path()), SizeIs(Gt(1)));
  EXPECT_THAT(both.Close(), IsOk());
  EXPECT_THAT(AllOf(home_.path()), ElementsAre("pages.db"));
  EXPECT_EQ(DiskText(path_, 3), "put");
  EXPECT_EQ(GetText(*Open()->file, 3), "put");
}

TEST_P(RemoveOnCloseTest, DestructorRemovesToo) {
  { EXPECT_THAT(PutText(*Open()->file, 0, "put"), IsOk()); }
  EXPECT_THAT(AllOf(home_.path()), ElementsAre("pages.db"));
  EXPECT_EQ(DiskText(path_, 0), "put");
}

TEST_P(RemoveOnCloseTest, EarlierCloseRemovesNothing) {
  Child other([&](Channel& parent) -> std::string {
    auto both = *Open();
    parent.Say("open");
    parent.Hear();
    EXPECT_EQ(GetText(*both.file, 0), "put");
    return both.Close().ToString();
  });
  ASSERT_EQ(other.Hear(), "open");
  auto both = *Open();
  ASSERT_THAT(PutText(*both.file, 0, "put"), IsOk());
  EXPECT_THAT(both.Close(), IsOk());
  EXPECT_THAT(AllOf(home_.path()), SizeIs(Gt(1)));
  other.Say("close");
  EXPECT_EQ(other.End(), "OK");
  EXPECT_THAT(AllOf(home_.path()), ElementsAre("pages.db"));
}

TEST_P(RemoveOnCloseTest, UnwrittenPageKeepsAll) {
  auto both = *Open();
  auto held = *both.env->OpenFile("held.db", {.create = true});
  ASSERT_THAT(PutText(*held, 0, "put"), IsOk());
  // A dead process leaves a dirty page of a file whose name is gone.
  EXPECT_EQ(test::InChild([&]() -> std::string {
              auto lost = *both.env->OpenFile("lost.db", {.create = true});
              EXPECT_THAT(PutText(*lost, 0, "lost"), IsOk());
              ::kill(::getpid(), SIGKILL);
              return "lives";
            }),
            test::kKilled);
  fs::rename(home_.Below("lost.db"), home_.Below("away.db"));
  ASSERT_THAT(held->Close(), IsOk());
  both.file.reset();
  const auto before = AllOf(home_.path());
  EXPECT_THAT(both.env->Close(), Fails(StatusCode::kNotFound, "lost.db"));
  EXPECT_EQ(AllOf(home_.path()), before);
  EXPECT_EQ(both.env->Stats().frames_dirty, 1u);
  fs::rename(home_.Below("away.db"), home_.Below("lost.db"));
  EXPECT_THAT(both.env->Close(), IsOk());
  EXPECT_EQ(DiskText(home_.Below("lost.db"), 0), "lost");
  EXPECT_THAT(AllOf(home_.path()),
              ElementsAre("held.db", "lost.db", "pages.db"));
}

TEST_P(RemoveOnCloseTest, LostPageKeepsRegion) {
  auto both = *Open();
  EXPECT_EQ(test::InChild([&]() -> std::string {
              auto file = *both.env->OpenFile(
                  "pages.db", {.atomic_update = false});
              EXPECT_THAT(PutText(*file, 0, "put"), IsOk());
              auto page = *file->GetForUpdate(0);
              test::Fill(page.data(), "half");
              ::kill(::getpid(), SIGKILL);
              return "lives";
            }),
            test::kKilled);
  EXPECT_THAT(both.file->Get(0), Fails(StatusCode::kDataLoss));
  EXPECT_THAT(both.Close(), Fails(StatusCode::kDataLoss));
  both = {};
  EXPECT_THAT(OpenBoth(home_.path())->file->Get(0),
              Fails(StatusCode::kDataLoss));
}

TEST_P(RemoveOnCloseTest, FailedRemovalIsReportedOnce) {
  auto both = *Open();
  ASSERT_THAT(PutText(*both.file, 0, "put"), IsOk());
  both.file.reset();
  os::Sys().unlinkat = [](int, const char*, int) {
    errno = EROFS;
    return -1;
  };
  EXPECT_THAT(both.env->Close(),
              Fails(StatusCode::kPermissionDenied, home_.path(),
                    "is closed", "mpool remove"));
  os::Sys() = os::RealSyscalls();
  EXPECT_THAT(both.env->Close(), IsOk());
  EXPECT_EQ(DiskText(path_, 0), "put");
  EXPECT_EQ(GetText(*Open()->file, 0), "put");
  EXPECT_THAT(AllOf(home_.path()), ElementsAre("pages.db"));
}

// Each open meets a region that another process is removing, or none.
TEST_P(RemoveOnCloseTest, OpensDuringRemovalLoseNoPut) {
  constexpr int kRounds = 60;
  const auto count = [this]() -> std::string {
    for (int i = 0; i < kRounds; ++i) {
      auto both = *Open();
      auto page = *both.file->GetForUpdate(0, {.create = true});
      auto& sum = *reinterpret_cast<uint64_t*>(page.data().data());
      ++sum;
      page.Put();
      EXPECT_THAT(both.Close(), IsOk());
    }
    return "done";
  };
  Child one([&](Channel&) { return count(); });
  Child two([&](Channel&) { return count(); });
  EXPECT_EQ(one.End(), "done");
  EXPECT_EQ(two.End(), "done");
  auto both = *Open();
  auto page = *both.file->Get(0);
  EXPECT_EQ(*reinterpret_cast<const uint64_t*>(page.data().data()),
            2u * kRounds);
  page.Put();
  EXPECT_THAT(both.Close(), IsOk());
  EXPECT_THAT(AllOf(home_.path()), ElementsAre("pages.db"));
}

TEST(UnnamedRemoveOnCloseTest, OptionChangesNothing) {
  const TempHome home;
  EnvOptions options = test::SmallEnv(Backing::kAnonymous);
  options.remove_on_last_close = true;
  auto both = *OpenBoth(home.path(), options);
  ASSERT_THAT(PutText(*both.file, 0, "put"), IsOk());
  EXPECT_THAT(both.Close(), IsOk());
  EXPECT_EQ(DiskText(home.Below("pages.db"), 0), "put");
}

#ifdef MPOOL_STEPS
TEST_P(RemoveOnCloseTest, KilledRemovalIsFinishedByTheNext) {
  for (const char* prefix : {"region.remove.", "region.leave."}) {
    for (const std::string& step : test::StepNames(prefix)) {
      for (const bool opens : {false, true}) {
        SCOPED_TRACE(step);
        EXPECT_EQ(test::InChild([&]() -> std::string {
                    auto both = *Open();
                    EXPECT_THAT(PutText(*both.file, 0, step), IsOk());
                    os::KillAtStep(step, 1);
                    return both.Close().ToString();
                  }),
                  test::kKilled);
        EXPECT_EQ(DiskText(path_, 0), step);
        if (opens) {
          auto both = *Open();
          EXPECT_EQ(GetText(*both.file, 0), step);
          EXPECT_EQ(both.env->Stats().processes, 1u);
        } else {
          EXPECT_THAT(DbEnv::Remove(home_.path()), IsOk());
        }
        EXPECT_THAT(AllOf(home_.path()), ElementsAre("pages.db"));
      }
    }
  }
}
#endif

}  // namespace
}  // namespace mpool
