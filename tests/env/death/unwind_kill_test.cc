// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// unwind_kill_test.cc - a process dies at each step of restoring a page when
// its guard is unwound.

#include <cstring>
#include <stdexcept>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mpool/mpool.h"
#include "os/step.h"
#include "tests/support/backings.h"
#include "tests/support/child.h"
#include "tests/support/pages.h"
#include "tests/support/status_matchers.h"
#include "tests/support/step_names.h"
#include "tests/support/temp_home.h"

namespace mpool {
namespace {

using absl::StatusCode;
using test::Fails;
using test::GetText;
using test::IsOk;
using test::PutText;
using ::testing::AnyOf;
using ::testing::Contains;
using ::testing::Each;

// The state of the page when it is acquired.
enum class Page { kClean, kDirty, kWithoutImage };

class UnwindKillTest : public ::testing::TestWithParam<std::string> {
 protected:
  // Kills a process at the step while it restores such a page. Returns "lives"
  // if the restore does not pass the step.
  std::string Die(Page page, test::Opened& both) {
    const bool image = page != Page::kWithoutImage;
    return test::InChild([&]() -> std::string {
      const auto file =
          *both.env->OpenFile("pages.db", {.atomic_update = image});
      os::KillAtStep(GetParam(), 1);
      try {
        const WritePage got = *file->GetForUpdate(0);
        std::memset(got.data().data(), 0x5a, 2048);
        throw std::runtime_error("in the middle");
      } catch (const std::runtime_error&) {
      }
      return "lives";
    });
  }
  std::string Run(Page page) {
    test::TempHome home;
    auto both = *test::OpenBoth(
        home.path(), test::SmallEnv(test::ForkedBackingFor(
                         GetParam(), static_cast<uint64_t>(page))));
    EXPECT_THAT(PutText(*both.file, 0, "put"), IsOk());
    if (page == Page::kClean) {
      EXPECT_THAT(both.env->Sync(), IsOk());
    }
    const std::string outcome = Die(page, both);
    if (page == Page::kWithoutImage) {
      EXPECT_THAT(both.file->Get(0), Fails(StatusCode::kDataLoss, "page 0"));
    } else {
      EXPECT_EQ(GetText(*both.file, 0), "put");
    }
    const WritePage again = *both.file->GetForUpdate(0, {.create = true});
    test::Fill(again.data(), "again");
    return outcome;
  }
};
INSTANTIATE_TEST_SUITE_P(Step, UnwindKillTest,
                         ::testing::ValuesIn(test::StepNames("mpool.undo.")),
                         test::StepTestName);

TEST_P(UnwindKillTest, ThePageIsWholeOrLost) {
  const std::string outcomes[] = {Run(Page::kClean), Run(Page::kDirty),
                                  Run(Page::kWithoutImage)};
  EXPECT_THAT(outcomes, Contains(test::kKilled));
  EXPECT_THAT(outcomes, Each(AnyOf(test::kKilled, "lives")));
}

}  // namespace
}  // namespace mpool
