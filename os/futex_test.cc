// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "os/futex.h"

#include <linux/futex.h>
#include <sched.h>

#include <cerrno>

#include "tests/support/system.h"

namespace mpool::os {
namespace {

class FutexTest : public SyscallTest {};

TEST_F(FutexTest, UnchangedWordIsWokenAcrossProcesses) {
  Shared shared;
  Child sleeper([&] {
    shared.word(1).store(1);
    FutexWait(&shared.word(0), 0, absl::InfiniteDuration());
    shared.word(1).store(2);
  });
  while (shared.word(1).load() != 2) {
    FutexWakeAll(&shared.word(0));
    ::sched_yield();
  }
  EXPECT_EQ(sleeper.Wait(), 0);
}

TEST_F(FutexTest, DoesNotSleepIfTheWordDiffers) {
  std::atomic<uint32_t> word{1};
  FutexWait(&word, 0, absl::InfiniteDuration());
}

TEST_F(FutexTest, SleepsAtMostForTheTimeout) {
  std::atomic<uint32_t> word{0};
  FutexWait(&word, 0, absl::Milliseconds(1));
  FutexWait(&word, 0, absl::ZeroDuration());
  FutexWait(&word, 0, absl::Seconds(-1));
}

TEST_F(FutexTest, NeverAsksForAPrivateFutex) {
  static int ops;
  static int calls;
  ops = calls = 0;
  Sys().futex = [](uint32_t*, int op, uint32_t, const timespec*) -> long {
    ops |= op;
    ++calls;
    return 0;
  };
  std::atomic<uint32_t> word{0};
  FutexWait(&word, 0, absl::Seconds(1));
  FutexWakeAll(&word);
  EXPECT_EQ(calls, 2);
  EXPECT_EQ(ops & FUTEX_PRIVATE_FLAG, 0);
}

TEST_F(FutexTest, LowHalfIsTheLowHalf) {
  const std::atomic<uint64_t> word{0x1111'2222'3333'4444};
  EXPECT_EQ(LowHalf(&word)->load(), 0x3333'4444u);
}

class GlobalBarrierTest : public SyscallTest {};

// One round of store buffering: each side stores, then loads the word that the
// other side stores. Both loads return the old value only if a load passes a
// store.
struct StoreBuffering {
  static constexpr size_t kLines = 48;
  struct alignas(64) Line {
    std::atomic<uint32_t> word;
  };
  Line reader_store, writer_store, reader_saw, arrived[2], left[2];
  // Lines that the writer has written, so that the reader must fetch them
  // first. The reader's own store waits behind them in the store buffer, and
  // its load does not.
  Line slow[kLines];

  void Meet(Line (&both)[2], size_t self, uint32_t round) {
    both[self].word.store(round);
    while (both[1 - self].word.load() < round) ::sched_yield();
  }

  void Read(uint32_t round) {
    Meet(arrived, 0, round);
    for (Line& line : slow) line.word.store(round, std::memory_order_relaxed);
    reader_store.word.store(round, std::memory_order_relaxed);
    std::atomic_signal_fence(std::memory_order_seq_cst);
    const bool saw = writer_store.word.load(std::memory_order_relaxed) == round;
    reader_saw.word.store(saw);
    Meet(left, 0, round);
  }

  // Returns true if at least one side saw the other's store.
  bool Write(uint32_t round) {
    for (Line& line : slow) line.word.store(0, std::memory_order_relaxed);
    Meet(arrived, 1, round);
    writer_store.word.store(round, std::memory_order_relaxed);
    GlobalBarrier();
    const bool saw = reader_store.word.load(std::memory_order_relaxed) == round;
    Meet(left, 1, round);
    return saw || reader_saw.word.load() != 0;
  }
};

TEST_F(GlobalBarrierTest, BarrierOrdersProcessWithoutFence) {
  constexpr uint32_t kRounds = 5000;
  ASSERT_TRUE(RegisterGlobalBarrier());
  ASSERT_TRUE(GlobalBarrier());
  SharedMemory<StoreBuffering> rounds;
  Child reader([&] {
    if (!RegisterGlobalBarrier()) ::_exit(1);
    for (uint32_t round = 1; round <= kRounds; ++round) rounds->Read(round);
  });
  uint32_t lost = 0;
  for (uint32_t round = 1; round <= kRounds; ++round) {
    if (!rounds->Write(round)) ++lost;
  }
  EXPECT_EQ(lost, 0u);
  EXPECT_EQ(reader.Wait(), 0);
}

TEST_F(GlobalBarrierTest, SaysSoWhereTheKernelRefuses) {
  Sys().membarrier = [](int, unsigned) {
    errno = EPERM;
    return -1;
  };
  EXPECT_FALSE(RegisterGlobalBarrier());
  EXPECT_FALSE(GlobalBarrier());
}

}  // namespace
}  // namespace mpool::os
