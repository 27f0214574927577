// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "os/step.h"

#include <signal.h>

#include "tests/support/system.h"

namespace mpool::os {
namespace {

class StepTest : public SyscallTest {
 protected:
  ~StepTest() override {
    ClearSteps();
    ObserveSteps(nullptr);
  }
};

TEST_F(StepTest, KillsAtTheNthPassageOnly) {
  Shared shared;
  KillAtStep("step.a", 3);  // children inherit the plan
  Child child([&] {
    for (int i = 0; i < 10; ++i) {
      Step("step.b");
      Step("step.a");
      shared.word(0).fetch_add(1);
    }
  });
  const int status = child.Wait();
  ASSERT_TRUE(WIFSIGNALED(status));
  EXPECT_EQ(WTERMSIG(status), SIGKILL);
  EXPECT_EQ(shared.word(0).load(), 2u);
}

TEST_F(StepTest, PassagesBeforeThePlanDoNotCount) {
  Shared shared;
  Child child([&] {
    KillAtStep("step.b", 1);
    Step("step.a");
    KillAtStep("step.a", 2);
    Step("step.a");
    shared.word(0).store(1);
    Step("step.a");
    shared.word(0).store(2);
  });
  EXPECT_TRUE(WIFSIGNALED(child.Wait()));
  EXPECT_EQ(shared.word(0).load(), 1u);
}

TEST_F(StepTest, AfterItsPassageThePlanIsSpent) {
  static int kills;
  kills = 0;
  Sys().kill = [](pid_t, int) { return ++kills; };
  KillAtStep("step.a", 2);
  for (int i = 0; i < 5; ++i) Step("step.a");
  EXPECT_EQ(kills, 1);
}

TEST_F(StepTest, ActionIsCalledUntilRemoved) {
  int calls = 0;
  CallAtStep("step.a", [&] { ++calls; });
  Step("step.a");
  Step("step.a");
  Step("step.b");
  EXPECT_EQ(calls, 2);
  CallAtStep("step.a", {});
  Step("step.a");
  EXPECT_EQ(calls, 2);
}

TEST_F(StepTest, ActionMayPassStepsAndChangePlans) {
  int calls = 0;
  CallAtStep("step.b", [&] { ++calls; });
  CallAtStep("step.a", [&] {
    Step("step.b");
    CallAtStep("step.a", {});
  });
  Step("step.a");
  Step("step.a");
  EXPECT_EQ(calls, 1);
}

TEST_F(StepTest, ClearRemovesAllPlans) {
  int calls = 0;
  CallAtStep("step.a", [&] { ++calls; });
  KillAtStep("step.b", 1);
  ClearSteps();
  Step("step.a");
  Step("step.b");
  EXPECT_EQ(calls, 0);
}

TEST_F(StepTest, ObserverSeesStepsUntilRemoved) {
  static std::string told;
  told.clear();
  ObserveSteps([](const char* name) { told.append(name).append(" "); });
  CallAtStep("step.b", [] { told += "planned "; });
  Step("step.a");
  Step("step.b");
  ObserveSteps(nullptr);
  Step("step.a");
  EXPECT_EQ(told, "step.a step.b planned ");
}

TEST_F(StepTest, MacroPassesStepOnlyInStepBuilds) {
  int calls = 0;
  CallAtStep("step.a", [&] { ++calls; });
  MPOOL_STEP("step.a");
#ifdef MPOOL_STEPS
  EXPECT_EQ(calls, 1);
#else
  EXPECT_EQ(calls, 0);
#endif
}

}  // namespace
}  // namespace mpool::os
