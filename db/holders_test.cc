// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// holders_test.cc - who holds what, as one sees it who does not join.

#include <fcntl.h>
#include <sys/resource.h>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mpool/mpool.h"
#include "tests/support/child.h"
#include "tests/support/pages.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_home.h"

namespace mpool {
namespace {

using test::Channel;
using test::Child;
using test::IsOk;
using test::OpenBoth;
using test::PutText;
using test::TempHome;
using ::testing::ElementsAre;
using ::testing::UnorderedElementsAre;

class HoldersTest : public ::testing::Test {
 protected:
  // "dead? what", of the process with that pid.
  std::vector<std::string> HeldBy(pid_t pid) {
    auto holders = DbEnv::Holders(home_.path());
    EXPECT_THAT(holders, IsOk());
    std::vector<std::string> held;
    for (const Holding& holding : *holders) {
      if (holding.pid != pid) continue;
      EXPECT_NE(holding.command, "");
      held.push_back(
          absl::StrCat(holding.dead ? "dead " : "", holding.what));
      if (holding.what.ends_with("for update")) {
        EXPECT_GT(holding.held, absl::ZeroDuration());
      }
    }
    return held;
  }
  std::string PageOf(PageNo page) const {
    return absl::StrCat("page ", page, " of ", home_.Below("pages.db"));
  }

  TempHome home_;
};

TEST_F(HoldersTest, AreNamedWhileTheyLiveAndAfterTheyDied) {
  auto both = *OpenBoth(home_.path());
  for (PageNo page = 0; page < 3; ++page) {
    ASSERT_THAT(PutText(*both.file, page, "x"), IsOk());
  }
  Child holder([&](Channel& parent) {
    auto there = *OpenBoth(home_.path());
    const auto changed = *there.file->GetForUpdate(0);
    const auto read = *there.file->Get(1);
    GetOptions options;
    options.latch = Latch::kNone;
    const auto pinned = *there.file->Get(2, options);
    absl::SleepFor(absl::Milliseconds(20));
    parent.Say("held");
    return parent.Hear();
  });
  ASSERT_EQ(holder.Hear(), "held");
  const pid_t pid = holder.pid();
  EXPECT_THAT(HeldBy(pid),
              UnorderedElementsAre("process slot 2", PageOf(0) + " for update",
                                   PageOf(1) + " to read",
                                   PageOf(2) + " pinned"));
  ASSERT_EQ(holder.Kill(), test::kKilled);
  EXPECT_THAT(HeldBy(pid),
              UnorderedElementsAre("dead process slot 2",
                                   "dead " + PageOf(0) + " for update",
                                   "dead " + PageOf(1) + " to read",
                                   "dead " + PageOf(2) + " pinned"));
  EXPECT_THAT(both.env->FailCheck(), IsOk());
  EXPECT_THAT(HeldBy(pid), ElementsAre());
}

// The sanitizers need descriptors of their own to look at types.
#ifndef __SANITIZE_ADDRESS__
TEST_F(HoldersTest, AreRepairedByAProcessThatHasNoFdLeft) {
  Child holder([&](Channel& parent) -> std::string {
    auto there = *OpenBoth(home_.path());
    EXPECT_THAT(PutText(*there.file, 0, "put"), IsOk());
    const auto changed = *there.file->GetForUpdate(0);
    parent.Say("held");
    return parent.Hear();
  });
  Child survivor([&](Channel& parent) -> std::string {
    auto here = *OpenBoth(home_.path());
    const rlimit few{64, 64};
    ::setrlimit(RLIMIT_NOFILE, &few);
    while (::open("/dev/null", O_RDONLY) >= 0) {
    }
    parent.Say("none left");
    parent.Hear();
    return test::GetText(*here.file, 0);
  });
  ASSERT_EQ(holder.Hear(), "held");
  ASSERT_EQ(survivor.Hear(), "none left");
  ASSERT_EQ(holder.Kill(), test::kKilled);
  survivor.Say("go");
  EXPECT_EQ(survivor.End(), "put");
}
#endif

TEST_F(HoldersTest, OfAHomeWithoutAnEnvironmentIsNotFound) {
  EXPECT_THAT(DbEnv::Holders(home_.path()),
              test::Fails(absl::StatusCode::kNotFound, home_.path()));
}

}  // namespace
}  // namespace mpool
