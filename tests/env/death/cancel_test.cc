// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// cancel_test.cc - a cancelled thread finishes its call of the library, and
// ends only after the call.

#include <pthread.h>

#include <memory>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mpool/mpool.h"
#include "tests/support/backings.h"
#include "tests/support/child.h"
#include "tests/support/logged.h"
#include "tests/support/moments.h"
#include "tests/support/pages.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_home.h"
#include "tests/support/test_thread.h"

namespace mpool {
namespace {

using absl::StatusCode;
using test::Fails;
using test::GetText;
using test::IsOk;
using test::Moment;
using test::PutText;
using test::TempHome;
using test::World;

// Runs `call` in a thread that was cancelled before the call. The first
// cancellation point in the call would end the thread.
void ExpectToReturn(const std::function<absl::Status()>& call) {
  bool returned = false;
  bool went_on = false;
  EXPECT_TRUE(os::IsCutShort([&] {
    pthread_cancel(pthread_self());
    EXPECT_THAT(call(), IsOk());
    returned = true;
    pthread_testcancel();
    went_on = true;
  }));
  EXPECT_TRUE(returned);
  EXPECT_FALSE(went_on);
}

std::vector<Moment> MomentsOfOneThread() {
  std::vector<Moment> moments;
  for (const Moment& moment : test::Moments()) {
    // These moments join a thread, and joining is a cancellation point.
    const std::string_view name = moment.name;
    if (name != "NewThread" && name != "Pin") moments.push_back(moment);
  }
  return moments;
}

class CancelTest : public ::testing::TestWithParam<Moment> {};
INSTANTIATE_TEST_SUITE_P(At, CancelTest,
                         ::testing::ValuesIn(MomentsOfOneThread()),
                         [](const auto& one) { return one.param.name; });

TEST_P(CancelTest, ACallIsNotCutShort) {
  const Moment& moment = GetParam();
  TempHome home;
  World world(home.path(), test::SharedBackingFor(moment.name));
  moment.prepare(world);
  const auto act = [&] {
    ExpectToReturn([&] { return moment.act(world); });
    world.ExpectWholeAndClose();
    return "whole";
  };
  if (!moment.in_fork) {
    act();
    return;
  }
  EXPECT_EQ(test::InChild([&]() -> std::string {
              world.ForgetThread();
              return act();
            }),
            "whole");
}

TEST(CancelledThreadTest, DestroysHandlesAndGroups) {
  TempHome home;
  auto here = *test::OpenBoth(home.path());
  test::Opened there;
  ExpectToReturn([&] {
    there = *test::OpenBoth(home.path(), test::SmallEnv(), "other.db");
    EXPECT_THAT(PutText(*there.file, 0, "put"), IsOk());
    {
      UpdateGroup group(*there.env);
      EXPECT_THAT(group.Add(*there.file, 0), IsOk());
      EXPECT_THAT(group.AddNew(*there.file), IsOk());
    }
    there.file.reset();
    there.env.reset();
    return absl::OkStatus();
  });
  EXPECT_EQ(test::DiskText(home.Below("other.db"), 0), "put");
  // The last handle of the process.
  ExpectToReturn([&] {
    EXPECT_THAT(PutText(*here.file, 0, "last"), IsOk());
    here.file.reset();
    here.env.reset();
    return absl::OkStatus();
  });
  EXPECT_EQ(test::DiskText(home.Below("pages.db"), 0), "last");
}

TEST(CancelledThreadTest, WaitsForAPageUntilItsDeadline) {
  TempHome home;
  auto both = *test::OpenBoth(home.path());
  ASSERT_THAT(PutText(*both.file, 0, "put"), IsOk());
  {
    const WritePage held = *both.file->GetForUpdate(0);
    ExpectToReturn([&] {
      EXPECT_THAT(both.file->Get(0, {.wait = absl::Milliseconds(60)}),
                  Fails(StatusCode::kDeadlineExceeded, "page 0"));
      EXPECT_THAT(both.file->GetForUpdate(0, {.wait = absl::Milliseconds(60)}),
                  Fails(StatusCode::kDeadlineExceeded, "page 0"));
      return absl::OkStatus();
    });
  }
  EXPECT_EQ(GetText(*both.file, 0), "put");
}

TEST(CancelledThreadTest, RunsCallbacksToTheirEnd) {
  TempHome home;
  test::Log log;
  bool told = false;
  EnvOptions options = test::WithLog(log);
  options.on_event = [&](const Event&) {
    pthread_testcancel();
    told = true;
  };
  test::Opened both = test::OpenLogged(home.path(), options);
  test::PutLetter(*both.file, 0, 'a', {1, 30});
  log.meanwhile = [] { pthread_testcancel(); };
  log.answer = absl::UnavailableError("the log's disk is full");
  ExpectToReturn([&] {
    EXPECT_THAT(both.file->Sync(), Fails(StatusCode::kUnavailable, "log"));
    return absl::OkStatus();
  });
  EXPECT_TRUE(told);
  log.answer = absl::OkStatus();
  EXPECT_THAT(both.file->Sync(), IsOk());
}

TEST(CancelledThreadTest, KeepsItsOwnCancelState) {
  TempHome home;
  auto both = *test::OpenBoth(home.path());
  EXPECT_FALSE(os::IsCutShort([&] {
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, nullptr);
    pthread_cancel(pthread_self());
    EXPECT_THAT(PutText(*both.file, 0, "put"), IsOk());
    EXPECT_THAT(both.env->Sync(), IsOk());
    pthread_testcancel();
  }));
  EXPECT_EQ(GetText(*both.file, 0), "put");
}

}  // namespace
}  // namespace mpool
