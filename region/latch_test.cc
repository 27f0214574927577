// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "region/latch.h"

#include <signal.h>

#include <thread>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/child.h"
#include "tests/support/dead_latch.h"
#include "tests/support/status_matchers.h"
#include "tests/support/system.h"
#include "tests/support/test_region.h"

namespace mpool::region {
namespace {

using test::Channel;
using test::TempHome;
using ::testing::ElementsAre;

constexpr LockRank kRank = LockRank::kFiles;

// Not checked by clang, which does not follow the branches in EXPECT_TRUE and
// EXPECT_DEATH.
template <class L>
void LockAs(L& latch, const Thread& self) MPOOL_NO_THREAD_SAFETY {
  latch.Lock(self);
}
template <class L>
void UnlockAs(L& latch, uint32_t thread) MPOOL_NO_THREAD_SAFETY {
  latch.Unlock({.id = thread});
}
template <class L>
bool TakesOver(L& latch, uint32_t dead,
               const Thread& self) MPOOL_NO_THREAD_SAFETY {
  return latch.TakeOver(dead, self);
}

// Number of FUTEX_WAIT calls that began.
std::atomic<int> sleeps;

class LatchTest : public os::SyscallTest {
 protected:
  LatchTest() {
    sleeps = 0;
    os::Sys().futex = [](uint32_t* word, int op, uint32_t value,
                         const timespec* timeout) {
      if (op == 0) ++sleeps;
      return os::RealSyscalls().futex(word, op, value, timeout);
    };
  }
  // Waits until threads of this process began `count` more sleeps.
  static void AwaitSleeps(int count) {
    const int target = sleeps + count;
    while (sleeps < target) std::this_thread::yield();
  }

  TempHome home_;
};

TEST_F(LatchTest, ThreadsHoldItOneAtATime) {
  auto here = *Attachment::Open(home_.path());
  Region& region = here->region();
  uint64_t count = 0;
  bool inside = false;
  constexpr uint64_t kTimes = 5000;
  auto work = [&] {
    const Thread self = *region.members().RegisterThread();
    for (uint64_t i = 0; i < kTimes; ++i) {
      LatchGuard guard(self, here->root().latches[0]);
      ASSERT_FALSE(inside);
      inside = true;
      ++count;
      if (i % 64 == 0) std::this_thread::yield();
      inside = false;
    }
    region.members().UnregisterThread(self);
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) threads.emplace_back(work);
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(count, 4 * kTimes);
  EXPECT_EQ(here->root().latches[0].owner(), 0u);
  EXPECT_THAT(here->ThreadSlots(), ElementsAre(1));
}

TEST_F(LatchTest, ProcessesHoldItOneAtATime) {
  auto here = *Attachment::Open(home_.path());
  constexpr uint64_t kTimes = 20000;
  auto work = [&](Channel&) -> std::string {
    auto there = *Attachment::Open(home_.path());
    for (uint64_t i = 0; i < kTimes; ++i) {
      LatchGuard guard(there->self(), there->root().latches[0]);
      ++there->root().sums[0];
    }
    return std::string(there->Leave().message());
  };
  test::Child first(work);
  test::Child second(work);
  EXPECT_EQ(first.End(), "");
  EXPECT_EQ(second.End(), "");
  EXPECT_EQ(here->root().sums[0], 2 * kTimes);
}

// Takes the latch, reports it, and waits for a message before it releases the
// latch.
std::string HoldLatch(const std::string& home, Channel& parent) {
  auto there = *Attachment::Open(home);
  LatchGuard guard(there->self(), there->root().latches[0]);
  parent.Say("held");
  return parent.Hear();
}

TEST_F(LatchTest, WaiterAcquiresLatchOfKilledOwner) {
  auto here = *Attachment::Open(home_.path());
  test::Child owner(
      [&](Channel& parent) { return HoldLatch(home_.path(), parent); });
  ASSERT_EQ(owner.Hear(), "held");
  RepairReport seen;
  here->region().repairer().set_on_repair(
      [&](const RepairReport& r) { seen = r; });
  std::thread waiter([&] {
    const Thread self = *here->region().members().RegisterThread();
    auto& latch = here->root().latches[0];
    latch.Lock(self);
    EXPECT_EQ(latch.owner(), self.id);
    latch.Unlock(self);
    here->region().members().UnregisterThread(self);
  });
  AwaitSleeps(2);
  const int pid = owner.pid();
  EXPECT_EQ(owner.Kill(), test::kKilled);
  waiter.join();
  ASSERT_EQ(seen.processes.size(), 1u);
  EXPECT_EQ(seen.processes[0].pid, pid);
  EXPECT_EQ(seen.latches, 1u);
  EXPECT_EQ(here->root().latches[0].owner(), 0u);
  EXPECT_THAT(here->ProcessSlots(), ElementsAre(1));
  EXPECT_THAT(here->ThreadSlots(), ElementsAre(1));
}

TEST_F(LatchTest, StoppedOwnerKeepsLatch) {
  auto here = *Attachment::Open(home_.path());
  test::Child owner(
      [&](Channel& parent) { return HoldLatch(home_.path(), parent); });
  ASSERT_EQ(owner.Hear(), "held");
  ASSERT_EQ(::kill(owner.pid(), SIGSTOP), 0);
  std::atomic<bool> taken = false;
  std::thread waiter([&] {
    const Thread self = *here->region().members().RegisterThread();
    LatchGuard guard(self, here->root().latches[0]);
    taken = true;
  });
  AwaitSleeps(5);  // a probe of the owner preceded each except the first
  EXPECT_FALSE(taken);
  ASSERT_EQ(::kill(owner.pid(), SIGCONT), 0);
  owner.Say("let go");
  waiter.join();
  EXPECT_TRUE(taken);
  EXPECT_EQ(owner.End(), "let go");
}

TEST_F(LatchTest, OnlyDeadOwnersLatchIsReleased) {
  RankedLatch<kRank> latch = {};
  auto here = *Attachment::Open(home_.path());
  LifeWatch& watch = here->region().repairer();
  EXPECT_FALSE(latch.ReleaseDead(7));
  EXPECT_FALSE(TakesOver(latch, 7, {.id = 8}));
  LeaveLocked(latch, {.id = 5, .watch = &watch});
  EXPECT_FALSE(latch.ReleaseDead(7));
  EXPECT_FALSE(TakesOver(latch, 7, {.id = 8}));
  EXPECT_EQ(latch.owner(), 5u);
  EXPECT_TRUE(latch.ReleaseDead(5));
  EXPECT_EQ(latch.owner(), 0u);
  LeaveLocked(latch, {.id = 6, .watch = &watch});
  EXPECT_TRUE(TakesOver(latch, 6, {.id = 9}));
  EXPECT_EQ(latch.owner(), 9u);
  UnlockAs(latch, 9);
  EXPECT_EQ(latch.owner(), 0u);
}

// Uses private memory, so that the death of the test's child changes only its
// own copy.
class LatchDeathTest : public LatchTest {
 protected:
  std::unique_ptr<Attachment> here_ =
      *Attachment::Open(home_.path(), TestOptions(Backing::kHeap));
};

TEST_F(LatchDeathTest, UnlockByAnotherAborts) {
  auto& latch = here_->root().latches[0];
  LockAs(latch, {.id = 5, .watch = &here_->region().repairer()});
  EXPECT_DEATH(UnlockAs(latch, 6), "latch of thread 5 unlocked by thread 6");
  UnlockAs(latch, 5);
}

#ifndef NDEBUG
TEST_F(LatchDeathTest, SameOrLowerRankAborts) {
  const Thread self = {.id = 1, .watch = &here_->region().repairer()};
  RankedLatch<LockRank::kBucket> bucket = {};
  RankedLatch<LockRank::kQueue> queues[2] = {};
  RankedLatch<LockRank::kHeap> heap = {};
  queues[0].Lock(self);
  EXPECT_DEATH(bucket.Lock(self), "latch of rank 3");
  EXPECT_DEATH(queues[1].Lock(self), "latch of rank 4");
  heap.Lock(self);
  EXPECT_EQ(HeldRanks(), 1u << static_cast<int>(LockRank::kQueue) |
                             1u << static_cast<int>(LockRank::kHeap));
  heap.Unlock(self);
  queues[0].Unlock(self);
  EXPECT_EQ(HeldRanks(), 0u);
}

TEST_F(LatchDeathTest, ALatchThatAnotherHoldsIsNotHeld) {
  const Thread self = {.id = 1, .watch = &here_->region().repairer()};
  RankedLatch<LockRank::kQueue> latch = {};
  EXPECT_DEATH(latch.AssertHeld(self), "owner\\(\\) == self");
  latch.Lock(self);
  latch.AssertHeld(self);
  latch.AssertHeld();
  EXPECT_DEATH(latch.AssertHeld({.id = 2}), "owner\\(\\) == self");
  latch.Unlock(self);
  EXPECT_DEATH(latch.AssertHeld(), "owner\\(\\) != 0");
}

TEST_F(LatchDeathTest, UnheldRankCannotBeReleased) {
  EXPECT_DEATH(RankReleased(LockRank::kFiles), "rank 1 released but not held");
}
#endif

}  // namespace
}  // namespace mpool::region
