// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "region/latch.h"

#include <cstdio>
#include <cstdlib>

#include "absl/time/time.h"
#include "os/futex.h"
#include "os/step.h"

namespace mpool::region {
namespace {

// How long a waiter sleeps before it asks whether the owner is dead.
constexpr absl::Duration kProbeAfter = absl::Milliseconds(50);
// Looks before the first sleep: the latches here guard a few dozen
// instructions.
constexpr int kSpins = 100;

}  // namespace

void Latch::Lock(uint32_t self, LifeWatch& watch, LockRank rank) {
  uint32_t expected = 0;
  if (!word_.compare_exchange_strong(expected, self, std::memory_order_acquire,
                                     std::memory_order_relaxed)) {
    LockSlow(self, watch);
  }
  RankTaken(rank);
  MPOOL_STEP("region.latch.taken");
}

void Latch::LockSlow(uint32_t self, LifeWatch& watch) {
  int spins = 0;
  while (true) {
    uint32_t word = word_.load(std::memory_order_relaxed);
    if (word == 0) {
      // quiet: Lock goes on to the step.
      if (word_.compare_exchange_weak(word, self, std::memory_order_acquire,
                                      std::memory_order_relaxed)) {
        return;
      }
      continue;
    }
    if (++spins < kSpins) continue;
    if ((word & kWaiters) == 0 &&
        // quiet: who dies asleep is only woken in vain.
        !word_.compare_exchange_weak(word, word | kWaiters,
                                     std::memory_order_relaxed)) {
      continue;
    }
    os::FutexWait(&word_, word | kWaiters, kProbeAfter);
    if (word_.load(std::memory_order_relaxed) == (word | kWaiters)) {
      watch.Suspect(word & kOwnerMask, self);
    }
  }
}

void Latch::Unlock(uint32_t self, LockRank rank) {
  RankReleased(rank);
  MPOOL_STEP("region.latch.release");
  const uint32_t word = word_.exchange(0, std::memory_order_release);
  MPOOL_STEP("region.latch.released");
  if ((word & kOwnerMask) != self) {
    std::fprintf(stderr, "mpool: latch of thread %u unlocked by thread %u\n",
                 word & kOwnerMask, self);
    std::abort();
  }
  if ((word & kWaiters) != 0) os::FutexWakeAll(&word_);
}

bool Latch::ReleaseDead(uint32_t dead) {
  uint32_t word = word_.load(std::memory_order_acquire);
  while ((word & kOwnerMask) == dead) {
    if (word_.compare_exchange_weak(word, 0, std::memory_order_acq_rel,
                                    std::memory_order_acquire)) {
      MPOOL_STEP("region.mend.released_latch");
      if ((word & kWaiters) != 0) os::FutexWakeAll(&word_);
      return true;
    }
  }
  return false;
}

bool Latch::TakeOver(uint32_t dead, uint32_t self, LockRank rank) {
  uint32_t word = word_.load(std::memory_order_acquire);
  while ((word & kOwnerMask) == dead) {
    if (word_.compare_exchange_weak(word, (word & kWaiters) | self,
                                    std::memory_order_acq_rel,
                                    std::memory_order_acquire)) {
      RankTakenOver(rank);
      MPOOL_STEP("region.mend.took_latch");
      return true;
    }
  }
  return false;
}

}  // namespace mpool::region
