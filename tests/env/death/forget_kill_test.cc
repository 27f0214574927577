// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// forget_kill_test.cc - a process dies at each step of giving up the pages of a
// file. The next sweep gives up the rest, and the other files lose nothing.

#include <signal.h>
#include <unistd.h>

#include <optional>

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

using test::GetText;
using test::InChild;
using test::IsOk;
using test::OpenBoth;
using test::PutText;
using test::SmallEnv;

class ForgetKillTest : public ::testing::TestWithParam<std::string> {
 protected:
  test::TempHome home_;
};

std::vector<std::string> Steps() {
  std::vector<std::string> steps = test::StepNames("mpool.forget.");
  // Only Discard passes it; see DiscardKillTest.
  std::erase(steps, "mpool.forget.uncounted");
  for (const char* step :
       {"mpool.discard.take", "mpool.discard.taken", "mpool.evict.bucket",
        "mpool.evict.free", "mpool.evict.freed"}) {
    steps.push_back(step);
  }
  return steps;
}

TEST_P(ForgetKillTest, NextSweepContinues) {
  auto both = *OpenBoth(home_.path(), SmallEnv());
  ASSERT_THAT(PutText(*both.file, 0, "mine"), IsOk());
  ASSERT_EQ(InChild([&]() -> std::string {
              auto other = *OpenBoth(home_.path(), SmallEnv(), "scratch");
              for (PageNo page = 0; page < 5; ++page) {
                EXPECT_THAT(PutText(*other.file, page, "put"), IsOk());
              }
              ::raise(SIGKILL);
              return "";
            }),
            test::kKilled);
  ASSERT_EQ(::unlink(home_.Below("scratch").c_str()), 0);
  ASSERT_EQ(InChild([&]() -> std::string {
              // An open repairs the dead and sweeps.
              const bool once = GetParam().starts_with("mpool.forget.");
              os::KillAtStep(GetParam(), once ? 1 : 2);
              return DbEnv::Open(home_.path(), SmallEnv()).status().ToString();
            }),
            test::kKilled);
  EXPECT_THAT(both.env->FailCheck().status(), IsOk());
  EXPECT_THAT(both.env->Sync(), IsOk());
  EXPECT_EQ(GetText(*both.file, 0), "mine");
  const EnvStats stats = both.env->Stats();
  EXPECT_EQ(stats.frames_dirty, 0u);
  EXPECT_EQ(stats.frames_poisoned, 0u);
  EXPECT_EQ(stats.files, 1u);
  // All frames are usable again.
  for (PageNo page = 0; page < 2 * stats.frames; ++page) {
    ASSERT_THAT(PutText(*both.file, page, "mine"), IsOk());
  }
  EXPECT_THAT(both.Close(), IsOk());
}

class DiscardKillTest : public ForgetKillTest {};

TEST_P(DiscardKillTest, PagesAreWholeAfterDeath) {
  auto both = *OpenBoth(home_.path(), SmallEnv());
  ASSERT_THAT(PutText(*both.file, 0, "mine"), IsOk());
  ASSERT_EQ(InChild([&]() -> std::string {
              auto other = *OpenBoth(home_.path(), SmallEnv(), "scratch");
              for (PageNo page = 0; page < 5; ++page) {
                EXPECT_THAT(PutText(*other.file, page, "disk"), IsOk());
              }
              EXPECT_THAT(other.file->Sync(), IsOk());
              EXPECT_THAT(PutText(*other.file, 2, "put"), IsOk());
              // A held page makes the discard undo its step.
              std::optional<ReadPage> held;
              if (GetParam() != "mpool.forget.uncounted") {
                held = *other.file->Get(2);
              }
              os::KillAtStep(GetParam(), 1);
              return other.file->Discard().ToString();
            }),
            test::kKilled);
  EXPECT_THAT(both.env->FailCheck().status(), IsOk());
  auto file = both.env->OpenFile("scratch");
  ASSERT_THAT(file.status(), IsOk());
  for (PageNo page = 0; page < 5; ++page) {
    const std::string text = GetText(**file, page);
    EXPECT_TRUE(text == "disk" || (page == 2 && text == "put")) << text;
  }
  EXPECT_EQ(GetText(*both.file, 0), "mine");
  for (PageNo page = 0; page < 2 * both.env->Stats().frames; ++page) {
    ASSERT_THAT(PutText(*both.file, page, "mine"), IsOk());
  }
  EXPECT_THAT(both.env->Sync(), IsOk());
}

INSTANTIATE_TEST_SUITE_P(
    Step, DiscardKillTest,
    ::testing::Values("mpool.discard.undo", "mpool.discard.undone",
                      "mpool.forget.uncounted"),
    test::StepTestName);

INSTANTIATE_TEST_SUITE_P(Step, ForgetKillTest, ::testing::ValuesIn(Steps()),
                         test::StepTestName);

}  // namespace
}  // namespace mpool
