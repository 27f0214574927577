// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// kill_steps_test.cc - SIGKILL at every step in the sources, at its first
// passage, its last passage and another passage, under each policy.

#include "absl/strings/str_cat.h"
#include "tests/pool/kill_scenes.h"
#include "tests/support/step_names.h"

namespace mpool::pooltest {
namespace {

class KillStepsTest : public os::SyscallTest,
                      public ::testing::WithParamInterface<std::string> {
 protected:
  KillStepsTest() { WithoutFsync(); }
};

TEST_P(KillStepsTest, OthersContinueAndLoseNothing) {
  // Three rounds kill at the first, last and another passage of each step. Six
  // rounds do so under each policy. 20 rounds take minutes.
  const uint64_t rounds = Rounds(3);
  for (uint64_t round = 0; round < rounds; ++round) {
    const Death death(GetParam(), Seed(), round);
    SCOPED_TRACE(absl::StrCat("MPOOL_SEED=", Seed(), " round ", round));
    ASSERT_EQ(DescribeDeath(death), "");
  }
}

INSTANTIATE_TEST_SUITE_P(All, KillStepsTest,
                         ::testing::ValuesIn(StepsOfScenes()),
                         test::StepTestName);

}  // namespace
}  // namespace mpool::pooltest
