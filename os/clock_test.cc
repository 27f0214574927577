// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "os/clock.h"

#include <time.h>

#include <cerrno>

#include "tests/support/system.h"

namespace mpool::os {
namespace {

// A clock that advances only when a test moves it.
uint64_t fake_ns;
int clock_reads;
timespec slept[3];
int sleeps;

int FakeClock(int, timespec* out) {
  ++clock_reads;
  *out = {.tv_sec = static_cast<time_t>(fake_ns / 1'000'000'000),
          .tv_nsec = static_cast<long>(fake_ns % 1'000'000'000)};
  return 0;
}

class DeadlineTest : public SyscallTest {
 protected:
  DeadlineTest() {
    fake_ns = 5'000'000'123;
    clock_reads = 0;
    Sys().clock_gettime = FakeClock;
  }
};

TEST_F(DeadlineTest, InfiniteDeadlineNeverReadsClock) {
  const Deadline deadline(absl::InfiniteDuration());
  EXPECT_TRUE(deadline.is_infinite());
  EXPECT_FALSE(deadline.passed());
  EXPECT_EQ(deadline.Left(absl::Seconds(3)), absl::Seconds(3));
  EXPECT_EQ(deadline.Left(absl::InfiniteDuration()), absl::InfiniteDuration());
  EXPECT_EQ(clock_reads, 0);
}

TEST_F(DeadlineTest, ZeroAndLessHavePassedAtOnce) {
  for (const absl::Duration wait :
       {absl::ZeroDuration(), absl::Seconds(-1), -absl::InfiniteDuration()}) {
    const Deadline deadline(wait);
    EXPECT_FALSE(deadline.is_infinite());
    EXPECT_TRUE(deadline.passed());
    EXPECT_EQ(deadline.Left(absl::Seconds(1)), absl::ZeroDuration());
  }
  EXPECT_EQ(clock_reads, 0);
}

TEST_F(DeadlineTest, PassesAtItsTimeAndNotBefore) {
  const Deadline deadline(absl::Milliseconds(10));
  EXPECT_FALSE(deadline.passed());
  fake_ns += 9'999'999;
  EXPECT_FALSE(deadline.passed());
  EXPECT_EQ(deadline.Left(absl::Seconds(1)), absl::Nanoseconds(1));
  fake_ns += 1;
  EXPECT_TRUE(deadline.passed());
  EXPECT_EQ(deadline.Left(absl::Seconds(1)), absl::ZeroDuration());
}

TEST_F(DeadlineTest, LeftIsNeverMoreThanAskedFor) {
  const Deadline deadline(absl::Seconds(10));
  EXPECT_EQ(deadline.Left(absl::Milliseconds(50)), absl::Milliseconds(50));
  EXPECT_EQ(deadline.Left(absl::InfiniteDuration()), absl::Seconds(10));
}

TEST_F(DeadlineTest, TheLongestFiniteWaitDoesNotOverflow) {
  const Deadline deadline(absl::Hours(24 * 365 * 1000));
  EXPECT_FALSE(deadline.is_infinite());
  EXPECT_FALSE(deadline.passed());
}

class SleepTest : public SyscallTest {};

TEST_F(SleepTest, SignalDoesNotShortenSleep) {
  sleeps = 0;
  Sys().nanosleep = [](const timespec* time, timespec* rest) {
    slept[sleeps] = *time;
    if (++sleeps == 3) return 0;
    *rest = {.tv_sec = 0, .tv_nsec = 100 - sleeps};
    errno = EINTR;
    return -1;
  };
  Sleep(absl::Nanoseconds(100));
  ASSERT_EQ(sleeps, 3);
  EXPECT_EQ(slept[0].tv_nsec, 100);
  EXPECT_EQ(slept[1].tv_nsec, 99);
  EXPECT_EQ(slept[2].tv_nsec, 98);
}

TEST_F(SleepTest, ZeroAndLessMakeNoCall) {
  sleeps = 0;
  Sys().nanosleep = [](const timespec*, timespec*) { return sleeps++; };
  Sleep(absl::ZeroDuration());
  Sleep(absl::Seconds(-1));
  EXPECT_EQ(sleeps, 0);
}

TEST(MonotonicNsTest, DoesNotGoBack) {
  const uint64_t first_ns = MonotonicNs();
  EXPECT_GT(first_ns, 0u);
  EXPECT_GE(MonotonicNs(), first_ns);
}

}  // namespace
}  // namespace mpool::os
