// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// panic_kill_test.cc - a process that starts or ends a panic dies at each step
// of it.

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mpool/mpool.h"
#include "os/step.h"
#include "tests/support/backings.h"
#include "tests/support/child.h"
#include "tests/support/logged.h"
#include "tests/support/status_matchers.h"
#include "tests/support/step_names.h"
#include "tests/support/temp_home.h"

namespace mpool {
namespace {

using absl::StatusCode;
using test::Fails;
using test::GetLetter;
using test::InChild;
using test::IsOk;
using test::Log;
using test::Opened;
using test::OpenLogged;
using test::PutLetter;
using test::WithLog;

class PanicKillTest : public ::testing::TestWithParam<std::string> {
 protected:
  // The victim adopts this region.
  PanicKillTest() {
    EXPECT_THAT(DbEnv::Open(home_.path(), Options(/*recover=*/false)), IsOk());
  }
  EnvOptions Options(bool recover) {
    EnvOptions options = WithLog(log_);
    options.recover = recover;
    options.backing = test::SharedBackingFor(GetParam());
    return options;
  }
  void Recover() {
    Opened both = OpenLogged(home_.path(), Options(/*recover=*/true));
    PutLetter(*both.file, 1, 'b', {1, 20});
    EXPECT_THAT(both.env->ClearPanic(), IsOk());
  }

  test::TempHome home_;
  Log log_;
};
INSTANTIATE_TEST_SUITE_P(Step, PanicKillTest,
                         ::testing::ValuesIn(test::StepNames("mpool.panic.")),
                         test::StepTestName);

TEST_P(PanicKillTest, OwnerRecoversAfterDeath) {
  const bool is_set = GetParam() == "mpool.panic.set" ||
                      GetParam() == "mpool.panic.is_set";
  test::DieChanging(home_.path(), /*atomic_update=*/false, /*dirty=*/true);
  ASSERT_EQ(InChild([&]() -> std::string {
              os::KillAtStep(GetParam(), 1);
              Recover();
              return "survived";
            }),
            test::kKilled);
  if (is_set) {
    EXPECT_THAT(DbEnv::Open(home_.path(), Options(/*recover=*/false)),
                Fails(StatusCode::kDataLoss, "panic", "page 1 of"));
  }
  Recover();
  Opened both = OpenLogged(home_.path(), Options(/*recover=*/false));
  EXPECT_EQ(GetLetter(*both.file, 0), 'a');
  EXPECT_EQ(GetLetter(*both.file, 1), 'b');
}

}  // namespace
}  // namespace mpool
