// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// holders_test.cc - holdings of processes, seen by a process that does not
// join.

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>

#include <fstream>
#include <string_view>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mpool/mpool.h"
#include "os/syscalls.h"
#include "tests/support/child.h"
#include "tests/support/mounts.h"
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
  // Returns "dead? what" for each holding of the process with that pid.
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

TEST_F(HoldersTest, LivingAndDeadHoldersAreNamed) {
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

// The sanitizers need descriptors of their own to check types.
#ifndef __SANITIZE_ADDRESS__
TEST_F(HoldersTest, ProcessWithoutFdsRepairsHolders) {
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

// A process with a clock ahead of the observer's. The times are reported if the
// kernel reveals both clocks, and are left out otherwise.
class OtherClockTest : public HoldersTest,
                       public ::testing::WithParamInterface<int64_t> {
 protected:
  // Fakes the kernel's answers in a separate time namespace. `is_told` is true
  // if /proc has the offset.
  static void EnterClock(const std::string& home, bool is_told) {
    offsets = home + "/offsets";
    std::ofstream(offsets) << "monotonic  " << GetParam() << "   0\n"
                           << "boottime   0   0\n";
    told = is_told;
    os::Sys().clock_gettime = [](int clock, timespec* out) {
      const int result = os::RealSyscalls().clock_gettime(clock, out);
      out->tv_sec += GetParam();
      return result;
    };
    os::Sys().fstatat = [](int dir, const char* path, struct stat* out,
                           int flags) {
      const int result = os::RealSyscalls().fstatat(dir, path, out, flags);
      if (std::string_view(path).starts_with("/proc/self/ns/time")) {
        out->st_ino = 4026532999;
      }
      return result;
    };
    os::Sys().open = [](const char* path, int flags, mode_t mode) {
      if (std::string_view(path) != "/proc/self/timens_offsets") {
        return os::RealSyscalls().open(path, flags, mode);
      }
      errno = EACCES;
      return told ? os::RealSyscalls().open(offsets.c_str(), flags, mode) : -1;
    };
  }
  // Holds page 0 for update until the end message.
  std::string Hold(Channel& parent) const {
    auto there = *OpenBoth(home_.path());
    const auto changed = *there.file->GetForUpdate(0, {.create = true});
    absl::SleepFor(absl::Milliseconds(40));  // more than the clock's grain
    parent.Say("held");
    return parent.Hear();
  }
  // Checks the times that the process holds page and slot, and the error of a
  // wait.
  void ExpectHeld(pid_t pid, bool is_told) {
    auto here = *OpenBoth(home_.path());
    const absl::StatusOr<std::vector<Holding>> holders =
        DbEnv::Holders(home_.path());
    ASSERT_THAT(holders, IsOk());
    int found = 0;
    for (const Holding& holding : *holders) {
      if (holding.pid != pid) continue;
      ++found;
      EXPECT_GE(holding.held, is_told ? absl::Milliseconds(10)
                                      : absl::ZeroDuration());
      EXPECT_LE(holding.held, is_told ? absl::Minutes(10)
                                      : absl::ZeroDuration())
          << holding.what;
    }
    EXPECT_EQ(found, 2);
    const absl::Status wait =
        here.file->Get(0, {.wait = absl::ZeroDuration()}).status();
    EXPECT_THAT(wait, test::Fails(absl::StatusCode::kDeadlineExceeded,
                                  ", for update"));
    const std::string message(wait.message());
    const size_t at = message.find(kForUpdateFor);
    ASSERT_EQ(at != std::string::npos, is_told) << wait;
    if (!is_told) return;
    const size_t begin = at + kForUpdateFor.size();
    absl::Duration held;
    ASSERT_TRUE(absl::ParseDuration(
        message.substr(begin, message.find(';') - begin), &held))
        << wait;
    EXPECT_LE(held, absl::Minutes(10)) << wait;
  }

  static constexpr std::string_view kForUpdateFor = ", for update for ";
  static inline std::string offsets;
  static inline bool told = false;
};
INSTANTIATE_TEST_SUITE_P(Ahead, OtherClockTest,
                         ::testing::Values(int64_t{100000}, int64_t{-40}),
                         [](const auto& one) {
                           return one.param > 0 ? "ADay" : "Less";
                         });

TEST_P(OtherClockTest, KnownClocksGiveRightTimes) {
  Child holder([this](Channel& parent) {
    EnterClock(home_.path(), true);
    return Hold(parent);
  });
  ASSERT_EQ(holder.Hear(), "held");
  ExpectHeld(holder.pid(), true);
}

TEST_P(OtherClockTest, UnknownHoldersClockOmitsTimes) {
  Child holder([this](Channel& parent) {
    EnterClock(home_.path(), false);
    return Hold(parent);
  });
  ASSERT_EQ(holder.Hear(), "held");
  ExpectHeld(holder.pid(), false);
}

TEST_P(OtherClockTest, UnknownOwnClockOmitsTimes) {
  Child holder([this](Channel& parent) { return Hold(parent); });
  ASSERT_EQ(holder.Hear(), "held");
  EXPECT_EQ(test::InChild([&]() -> std::string {
              EnterClock(home_.path(), false);
              ExpectHeld(holder.pid(), false);
              return "looked";
            }),
            "looked");
}

TEST_P(OtherClockTest, OtherOwnClockGivesRightTimes) {
  Child holder([this](Channel& parent) { return Hold(parent); });
  ASSERT_EQ(holder.Hear(), "held");
  EXPECT_EQ(test::InChild([&]() -> std::string {
              EnterClock(home_.path(), true);
              ExpectHeld(holder.pid(), true);
              return "looked";
            }),
            "looked");
}

TEST_P(OtherClockTest, TimeNamespaceGivesRightTimes) {
  Child holder([this](Channel& parent) -> std::string {
    EXPECT_THAT(test::EnterOwnClock(GetParam()), IsOk());
    // The clock of this process is unchanged, and the clock of its child is
    // not.
    Child inner([this](Channel& outer) { return Hold(outer); });
    EXPECT_EQ(inner.Hear(), "held");
    parent.Say(absl::StrCat(inner.pid()));
    parent.Hear();
    EXPECT_EQ(test::InChild([this, &inner]() -> std::string {
                ExpectHeld(inner.pid(), true);
                return "looked";
              }),
              "looked");
    parent.Say("looked");
    return parent.Hear();
  });
  pid_t pid = 0;
  ASSERT_TRUE(absl::SimpleAtoi(holder.Hear(), &pid));
  ExpectHeld(pid, true);
  holder.Say("look");
  EXPECT_EQ(holder.Hear(), "looked");
}

TEST_F(HoldersTest, EmptyHomeIsNotFound) {
  EXPECT_THAT(DbEnv::Holders(home_.path()),
              test::Fails(absl::StatusCode::kNotFound, home_.path()));
}

}  // namespace
}  // namespace mpool
