// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// fork_race_test.cc - a thread forks while another thread of its process gets a
// page, attaches, or keeps an event.

#include <signal.h>

#include <atomic>
#include <thread>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mpool/mpool.h"
#include "os/step.h"
#include "tests/support/all_backings.h"
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
using test::GetText;
using test::IsOk;
using test::OpenBoth;
using test::PutText;
using test::SmallEnv;
using test::TempHome;
using test::TextOn;

// A thread of the parent is inside a get when the parent forks.
class ForkInsideGetTest
    : public ::testing::TestWithParam<std::tuple<const char*, Backing>> {
 protected:
  // The disk has "old" on pages 0 and 1.
  ForkInsideGetTest() {
    auto both = *OpenBoth(home_.path(), SmallEnv(Backing::kHeap));
    EXPECT_THAT(PutText(*both.file, 0, "old"), IsOk());
    EXPECT_THAT(PutText(*both.file, 1, "old"), IsOk());
    EXPECT_THAT(both.Close(), IsOk());
  }
  ~ForkInsideGetTest() override { os::ClearSteps(); }

  // Gets the page for update without waiting.
  static absl::Status Try(MPoolFile& file, PageNo page) {
    GetOptions options;
    options.wait = absl::ZeroDuration();
    return file.GetForUpdate(page, options).status();
  }

  TempHome home_;
  std::atomic<bool> inside_ = false;
  std::atomic<bool> may_go_on_ = false;
};
INSTANTIATE_TEST_SUITE_P(
    Step, ForkInsideGetTest,
    ::testing::Combine(::testing::Values("mpool.get.entered",
                                         "mpool.get.published",
                                         "mpool.load.entered",
                                         "mpool.load.read"),
                       ::testing::ValuesIn(os::kForkedBackings)),
    [](const auto& test) {
      return test::StepTestName({std::get<0>(test.param), test.index}) +
             os::BackingText({std::get<1>(test.param), 0});
    });

TEST_P(ForkInsideGetTest, ForkInsideGetKeepsBothWorking) {
  auto both = *OpenBoth(home_.path(), SmallEnv(std::get<1>(GetParam())));
  const std::string step = std::get<0>(GetParam());
  // A get of a page that is not in memory does not pass these steps.
  if (step.starts_with("mpool.get.")) {
    EXPECT_EQ(GetText(*both.file, 0), "old");
  }
  os::CallAtStep(step, [this] {
    inside_ = true;
    while (!may_go_on_) std::this_thread::yield();
  });
  absl::StatusOr<ReadPage> held;
  std::thread thread([&] {
    // The first get of a thread does not use the fast path.
    EXPECT_EQ(GetText(*both.file, 0), "old");
    held = both.file->Get(0);
  });
  while (!inside_) std::this_thread::yield();
  Child child([&](Channel& parent) -> std::string {
    os::ClearSteps();
    EXPECT_THAT(PutText(*both.file, 1, "child"), IsOk());
    EXPECT_EQ(GetText(*both.file, 1), "child");
    EXPECT_THAT(Try(*both.file, 0), Fails(StatusCode::kDeadlineExceeded));
    parent.Say("got the other");
    // Waits for the parent's thread if that thread is reading the page.
    EXPECT_EQ(GetText(*both.file, 0), "old");
    parent.Say("got the same");
    parent.Hear();
    EXPECT_THAT(Try(*both.file, 0), Fails(StatusCode::kDeadlineExceeded));
    parent.Say("may not change it");
    parent.Hear();
    EXPECT_THAT(PutText(*both.file, 0, "child"), IsOk());
    return both.Close().ToString();
  });
  ASSERT_EQ(child.Hear(), "got the other");
  may_go_on_ = true;
  thread.join();
  ASSERT_EQ(child.Hear(), "got the same");
  ASSERT_THAT(held, IsOk());
  child.Say("change it");
  ASSERT_EQ(child.Hear(), "may not change it");
  EXPECT_EQ(TextOn(held->data()), "old");
  EXPECT_EQ(both.env->Stats().repairs, 0u);
  held->Put();
  child.Say("it is put");
  EXPECT_EQ(child.End(), "OK");
  EXPECT_EQ(GetText(*both.file, 0), "child");
  EXPECT_EQ(GetText(*both.file, 1), "child");
  EXPECT_EQ(both.env->Stats().processes, 1u);
  EXPECT_THAT(both.Close(), IsOk());
}

// One thread forks while another attaches. Neither may wait forever for the
// other, and the child can open any environment.
TEST(OpenWhileForkingTest, OpenFinishes) {
  const TempHome home;
  const TempHome other;
  std::atomic<bool> inside = false;
  os::CallAtStep("region.join.gate", [&] {
    inside = true;
    // Long enough that the fork below has begun. The test also passes if not.
    absl::SleepFor(absl::Milliseconds(50));
  });
  std::thread opener([&] {
    auto env = DbEnv::Open(home.path(), SmallEnv());
    EXPECT_THAT(env, IsOk());
  });
  while (!inside) std::this_thread::yield();
  Child child([&](Channel&) {
    os::ClearSteps();
    auto both = *OpenBoth(other.path());
    EXPECT_THAT(PutText(*both.file, 0, "x"), IsOk());
    return both.Close().ToString();
  });
  opener.join();
  os::ClearSteps();
  EXPECT_EQ(child.End(), "OK");
}

// One thread queues an event for on_event while another forks.
TEST(EventWhileForkingTest, ChildReportsOwnEvents) {
  const TempHome home;
  EnvOptions options = SmallEnv();
  options.on_event = [](const Event&) {};
  auto both = *OpenBoth(home.path(), options);
  EXPECT_EQ(test::InChild([&]() -> std::string {
              EXPECT_THAT(both.env->FailCheck(), IsOk());
              ::raise(SIGKILL);
              return "";
            }),
            test::kKilled);
  std::atomic<bool> inside = false;
  os::CallAtStep("db.event.kept", [&] {
    inside = true;
    // Long enough that the fork below has begun. The test also passes if not.
    absl::SleepFor(absl::Milliseconds(50));
  });
  std::thread teller([&] { EXPECT_THAT(both.env->FailCheck(), IsOk()); });
  while (!inside) std::this_thread::yield();
  Child child([&](Channel&) {
    os::ClearSteps();
    ::alarm(20);
    EXPECT_THAT(both.env->FailCheck(), IsOk());
    return both.Close().ToString();
  });
  teller.join();
  os::ClearSteps();
  EXPECT_EQ(child.End(), "OK");
  EXPECT_THAT(both.Close(), IsOk());
}

}  // namespace
}  // namespace mpool
