// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// atomic_update_test.cc - the pages of a writer that dies: each page is as at
// its last put, and the pages of a group change together or not at all.

#include <thread>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mpool/mpool.h"
#include "os/step.h"
#include "tests/support/child.h"
#include "tests/support/pages.h"
#include "tests/support/status_matchers.h"
#include "tests/support/step_names.h"
#include "tests/support/temp_home.h"

namespace mpool {
namespace {

using absl::StatusCode;
using test::Channel;
using test::Child;
using test::Fails;
using test::Fill;
using test::GetText;
using test::IsOk;
using test::OpenBoth;
using test::PutText;
using test::TempHome;
using test::TextOn;

// The process after the death: one that was attached before it, or an adopter.
enum class Next { kSurvivor, kAdopter };

class AtomicTest : public ::testing::TestWithParam<Next> {
 protected:
  // Runs `body` in a process that is killed afterwards, with or without a
  // survivor.
  void Die(const std::function<void(test::Opened&)>& body) {
    Child dead([&](Channel& parent) -> std::string {
      auto both = *OpenBoth(home_.path());
      body(both);
      parent.Say("in the middle");
      return parent.Hear();
    });
    ASSERT_EQ(dead.Hear(), "in the middle");
    dead.Kill();
  }
  void SetUp() override {
    if (GetParam() == Next::kSurvivor) both_ = *OpenBoth(home_.path());
  }
  MPoolFile& File() {
    if (both_.file == nullptr) both_ = *OpenBoth(home_.path());
    return *both_.file;
  }
  std::vector<std::string> Texts(PageNo count) {
    std::vector<std::string> texts;
    for (PageNo page = 0; page < count; ++page) {
      texts.push_back(GetText(File(), page));
    }
    return texts;
  }

  TempHome home_;
  test::Opened both_;
};
INSTANTIATE_TEST_SUITE_P(Next, AtomicTest,
                         ::testing::Values(Next::kSurvivor, Next::kAdopter),
                         [](const auto& test) {
                           return test.param == Next::kSurvivor ? "Survivor"
                                                                : "Adopter";
                         });

TEST_P(AtomicTest, HalfChangedPageIsRestored) {
  Die([](test::Opened& both) {
    ASSERT_THAT(PutText(*both.file, 0, "on disk"), IsOk());
    ASSERT_THAT(both.file->Sync(), IsOk());
    ASSERT_THAT(PutText(*both.file, 1, "dirty"), IsOk());
    ASSERT_THAT(PutText(*both.file, 0, "dirty too"), IsOk());
    static auto first = *both.file->GetForUpdate(0);
    static auto second = *both.file->GetForUpdate(1);
    first.data()[17] = std::byte{'X'};
    Fill(second.data(), "never put");
  });
  EXPECT_THAT(Texts(2), ::testing::ElementsAre("dirty too", "dirty"));
  EXPECT_THAT(File().Sync(), IsOk());
  EXPECT_EQ(test::DiskText(home_.Below("pages.db"), 0), "dirty too");
  EXPECT_EQ(both_.env->Stats().frames_poisoned, 0u);
}

TEST_P(AtomicTest, DirtyPageWithoutImageIsLost) {
  Die([](test::Opened& both) {
    ASSERT_THAT(PutText(*both.file, 0, "dirty"), IsOk());
    ASSERT_THAT(PutText(*both.file, 1, "clean"), IsOk());
    ASSERT_THAT(both.file->Sync(), IsOk());
    ASSERT_THAT(PutText(*both.file, 0, "dirty again"), IsOk());
    static auto file = *both.env->OpenFile("pages.db",
                                           {.atomic_update = false});
    static auto first = *file->GetForUpdate(0);
    static auto second = *file->GetForUpdate(1);
    first.data()[17] = second.data()[17] = std::byte{'X'};
  });
  EXPECT_THAT(File().Get(0), Fails(StatusCode::kDataLoss, "page 0", "died"));
  EXPECT_EQ(GetText(File(), 1), "clean");
  EXPECT_THAT(File().GetForUpdate(0), Fails(StatusCode::kDataLoss, "page 0"));
  EXPECT_THAT(PutText(File(), 0, "anew"), IsOk());  // with create
  EXPECT_EQ(GetText(File(), 0), "anew");
}

TEST_P(AtomicTest, UnchangedPageKeepsLastPut) {
  Die([](test::Opened& both) {
    ASSERT_THAT(PutText(*both.file, 0, "first"), IsOk());
    for (int i = 0; i < 3; ++i) both.file->GetForUpdate(0)->Discard();
    ASSERT_THAT(PutText(*both.file, 0, "second"), IsOk());
    static auto page = *both.file->GetForUpdate(0);
    Fill(page.data(), "third");
  });
  EXPECT_EQ(GetText(File(), 0), "second");
}

TEST_P(AtomicTest, UncommittedGroupIsUndone) {
  Die([](test::Opened& both) {
    for (PageNo page = 0; page < 3; ++page) {
      ASSERT_THAT(PutText(*both.file, page, "old"), IsOk());
    }
    ASSERT_THAT(both.file->Sync(), IsOk());
    ASSERT_THAT(PutText(*both.file, 1, "old and dirty"), IsOk());
    static UpdateGroup group(*both.env);
    for (PageNo page = 0; page < 3; ++page) {
      Fill((*group.Add(*both.file, page))->data(), "new");
    }
    Fill((*group.AddNew(*both.file))->data(), "new");
  });
  EXPECT_THAT(Texts(4), ::testing::ElementsAre("old", "old and dirty", "old",
                                               ""));
}

class GroupTest : public ::testing::Test {
 protected:
  GroupTest() : both_(*OpenBoth(home_.path())) {
    for (PageNo page = 0; page < 4; ++page) {
      EXPECT_THAT(PutText(*both_.file, page, "old"), IsOk());
    }
  }
  MPoolFile& file() { return *both_.file; }
  void Change(UpdateGroup& group, PageNo page, std::string_view text) {
    auto added = group.Add(file(), page);
    ASSERT_THAT(added, IsOk());
    Fill((*added)->data(), text);
  }

  TempHome home_;
  test::Opened both_;
};

TEST_F(GroupTest, CommittedGroupIsReusable) {
  UpdateGroup group(*both_.env);
  for (int round = 0; round < 3; ++round) {
    const std::string text = absl::StrCat("round ", round);
    for (PageNo page = 0; page < 4; ++page) Change(group, page, text);
    EXPECT_THAT(group.Commit(), IsOk());
    for (PageNo page = 0; page < 4; ++page) {
      EXPECT_EQ(GetText(file(), page), text);
    }
  }
  EXPECT_THAT(file().Sync(), IsOk());
  EXPECT_EQ(test::DiskText(home_.Below("pages.db"), 3), "round 2");
}

TEST_F(GroupTest, RollbackAndTheDestructorSetAllBack) {
  {
    UpdateGroup group(*both_.env);
    Change(group, 0, "new");
    Change(group, 1, "new");
    group.Rollback();
    EXPECT_EQ(GetText(file(), 0), "old");
    Change(group, 2, "new");
  }
  for (PageNo page = 0; page < 4; ++page) {
    EXPECT_EQ(GetText(file(), page), "old");
  }
  EXPECT_THAT(both_.Close(), IsOk());
}

TEST_F(GroupTest, ItsPagesAreHeldUntilItEnds) {
  UpdateGroup group(*both_.env);
  Change(group, 0, "new");
  auto again = group.Add(file(), 0);
  ASSERT_THAT(again, IsOk());
  (*again)->Put();
  EXPECT_EQ(TextOn((*again)->data()), "new");
  std::thread([&] {
    GetOptions options;
    options.wait = absl::ZeroDuration();
    EXPECT_THAT(file().Get(0, options), Fails(StatusCode::kDeadlineExceeded));
  }).join();
  EXPECT_THAT(both_.env->Close(), Fails(StatusCode::kFailedPrecondition,
                                        "page 0"));
  EXPECT_THAT(group.Commit(), IsOk());
  EXPECT_EQ(GetText(file(), 0), "new");
}

TEST_F(GroupTest, ThreadHasOneOpenGroup) {
  UpdateGroup group(*both_.env);
  Change(group, 0, "new");
  UpdateGroup second(*both_.env);
  EXPECT_THAT(second.Add(file(), 1),
              Fails(StatusCode::kFailedPrecondition, "another group"));
  std::thread([&] {
    EXPECT_THAT(group.Add(file(), 1),
                Fails(StatusCode::kFailedPrecondition, "another thread"));
    UpdateGroup own(*both_.env);
    EXPECT_THAT(own.Add(file(), 1), IsOk());
    EXPECT_THAT(own.Commit(), IsOk());
  }).join();
  EXPECT_THAT(group.Commit(), IsOk());
  EXPECT_THAT(second.Add(file(), 1), IsOk());
}

TEST_F(GroupTest, AnotherThreadCannotCommit) {
  UpdateGroup group(*both_.env);
  Change(group, 0, "new");
  std::thread([&] {
    EXPECT_THAT(group.Commit(),
                Fails(StatusCode::kFailedPrecondition, "another thread"));
  }).join();
  EXPECT_THAT(group.Commit(), IsOk());
  EXPECT_EQ(GetText(file(), 0), "new");
}

TEST_F(GroupTest, UpdateWithoutLatchIsRefused) {
  UpdateGroup group(*both_.env);
  const GetOptions pin = {.latch = Latch::kNone};
  EXPECT_THAT(group.Add(file(), 0, pin),
              Fails(StatusCode::kInvalidArgument, "GetOptions::latch"));
  EXPECT_THAT(file().GetForUpdate(0, pin),
              Fails(StatusCode::kInvalidArgument, "GetOptions::latch"));
}

TEST_F(GroupTest, InheritedGroupIsTheParents) {
  UpdateGroup group(*both_.env);
  Change(group, 0, "new");
  EXPECT_EQ(test::InChild([&]() -> std::string {
              EXPECT_THAT(group.Commit(),
                          Fails(StatusCode::kFailedPrecondition, "forked"));
              EXPECT_THAT(group.Add(file(), 1), IsOk());
              Fill((*group.Add(file(), 1))->data(), "child");
              EXPECT_THAT(group.Commit(), IsOk());
              return "done";
            }),
            "done");
  EXPECT_EQ(GetText(file(), 1), "child");
  EXPECT_THAT(group.Commit(), IsOk());
  EXPECT_EQ(GetText(file(), 0), "new");
}

// A guard that moves to another thread must not leave its image behind and must
// not take the image of another guard.
TEST_F(GroupTest, ImagesOfMovedGuardsAreUsedAgain) {
  const uint64_t before = both_.env->Stats().heap_used;
  for (int i = 0; i < 200; ++i) {
    auto page = *file().GetForUpdate(static_cast<PageNo>(i % 4));
    Fill(page.data(), "moved");
    std::thread([moved = std::move(page)]() mutable { moved.Put(); }).join();
  }
  // One image, and the memory of the thread slots of the test's threads.
  EXPECT_LT(both_.env->Stats().heap_used - before, uint64_t{64} << 10);
}

#ifdef MPOOL_STEPS
// A process is killed at each step of an update and of a group.
class ImageStepTest : public ::testing::TestWithParam<
                          std::tuple<std::string, Next>> {
 protected:
  const std::string& step() const { return std::get<0>(GetParam()); }
  // Returns the texts of four pages after a process died at the step in `body`.
  std::vector<std::string> After(
      const std::function<void(test::Opened&)>& body) {
    test::Opened survivor;
    if (std::get<1>(GetParam()) == Next::kSurvivor) {
      survivor = *OpenBoth(home_.path());
    }
    EXPECT_EQ(test::InChild([&]() -> std::string {
                auto both = *OpenBoth(home_.path());
                for (PageNo page = 0; page < 4; ++page) {
                  EXPECT_THAT(PutText(*both.file, page, "old"), IsOk());
                  if (page == 0) {
                    EXPECT_THAT(both.file->Sync(), IsOk());
                  }
                }
                os::KillAtStep(step(), 1);
                body(both);
                return "survived";
              }),
              test::kKilled);
    if (survivor.file == nullptr) survivor = *OpenBoth(home_.path());
    std::vector<std::string> texts;
    for (PageNo page = 0; page < 4; ++page) {
      texts.push_back(GetText(*survivor.file, page));
    }
    EXPECT_THAT(survivor.file->Sync(), IsOk());
    for (PageNo page = 0; page < 4; ++page) {
      EXPECT_EQ(test::DiskText(home_.Below("pages.db"), page), texts[page]);
    }
    for (PageNo page = 0; page < 4; ++page) {
      EXPECT_THAT(PutText(*survivor.file, page, "goes on"), IsOk());
    }
    EXPECT_THAT(survivor.Close(), IsOk());
    return texts;
  }

  TempHome home_;
};

std::vector<std::string> Steps(std::string_view prefix) {
  return test::StepNames(prefix);
}
std::string NameOf(
    const ::testing::TestParamInfo<std::tuple<std::string, Next>>& test) {
  return test::StepTestName({std::get<0>(test.param), test.index}) +
         (std::get<1>(test.param) == Next::kSurvivor ? "Survivor" : "Adopter");
}

class UpdateStepTest : public ImageStepTest {};
INSTANTIATE_TEST_SUITE_P(
    Image, UpdateStepTest,
    ::testing::Combine(::testing::ValuesIn(Steps("mpool.image.")),
                       ::testing::Values(Next::kSurvivor, Next::kAdopter)),
    NameOf);

TEST_P(UpdateStepTest, PageIsOldOrNewAfterDeath) {
  const auto texts = After([](test::Opened& both) {
    EXPECT_THAT(PutText(*both.file, 2, "new"), IsOk());
  });
  EXPECT_EQ(texts[0], "old");
  EXPECT_EQ(texts[1], "old");
  EXPECT_EQ(texts[2], step() == "mpool.image.dropped" ? "new" : "old");
  EXPECT_EQ(texts[3], "old");
}

class GroupStepTest : public ImageStepTest {};
INSTANTIATE_TEST_SUITE_P(
    Group, GroupStepTest,
    ::testing::Combine(::testing::ValuesIn(Steps("mpool.group.")),
                       ::testing::Values(Next::kSurvivor, Next::kAdopter)),
    NameOf);

TEST_P(GroupStepTest, GroupIsWholeOrAbsentAfterDeath) {
  const bool back = step() == "mpool.group.restored" ||
                    step() == "mpool.group.rolled_back";
  const auto texts = After([&](test::Opened& both) {
    UpdateGroup group(*both.env);
    for (PageNo page = 0; page < 4; ++page) {
      Fill((*group.Add(*both.file, page))->data(), "new");
    }
    if (back) {
      group.Rollback();
    } else {
      EXPECT_THAT(group.Commit(), IsOk());
    }
  });
  const bool committed = step() == "mpool.group.committed" ||
                         step() == "mpool.group.put" ||
                         step() == "mpool.group.closed";
  EXPECT_THAT(texts, ::testing::Each(committed ? "new" : "old"));
}
#endif

}  // namespace
}  // namespace mpool
