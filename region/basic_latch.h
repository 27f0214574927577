// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// basic_latch.h - the steps of region::Latch (latch.h) on any platform: the
// machine's, or that of a checker of memory orders.
//
// A platform has Word, an atomic of 32 bits as std::atomic; kSpins, the looks
// before the first sleep; Sleep, on a word while it has a value, and WakeAll.

#ifndef MPOOL_REGION_BASIC_LATCH_H_
#define MPOOL_REGION_BASIC_LATCH_H_

#include <atomic>
#include <cstdint>

#include "os/step.h"

namespace mpool::region {

template <class Platform>
class BasicLatch {
 public:
  using Word = typename Platform::Word;

  // `watch` is asked to look at an owner that does not let go.
  template <class Watch>
  void Lock(uint32_t self, Watch& watch) {
    uint32_t expected = 0;
    // quiet: Latch::Lock goes on to the step.
    if (!word_.compare_exchange_strong(expected, self,
                                       std::memory_order_acquire,
                                       std::memory_order_relaxed)) {
      LockSlow(self, watch);
    }
  }

  // Who held it.
  uint32_t Unlock() {
    MPOOL_STEP("region.latch.release");
    const uint32_t word = word_.exchange(0, std::memory_order_release);
    MPOOL_STEP("region.latch.released");
    if ((word & kWaiters) != 0) Platform::WakeAll(&word_);
    return word & kOwnerMask;
  }

  uint32_t owner() const {
    return word_.load(std::memory_order_relaxed) & kOwnerMask;
  }

  // The latch of a dead owner becomes free, or `self`'s.
  bool ReleaseDead(uint32_t dead) {
    uint32_t word = word_.load(std::memory_order_acquire);
    while ((word & kOwnerMask) == dead) {
      if (word_.compare_exchange_weak(word, 0, std::memory_order_acq_rel,
                                      std::memory_order_acquire)) {
        MPOOL_STEP("region.mend.released_latch");
        if ((word & kWaiters) != 0) Platform::WakeAll(&word_);
        return true;
      }
    }
    return false;
  }
  bool TakeOver(uint32_t dead, uint32_t self) {
    uint32_t word = word_.load(std::memory_order_acquire);
    while ((word & kOwnerMask) == dead) {
      if (word_.compare_exchange_weak(word, (word & kWaiters) | self,
                                      std::memory_order_acq_rel,
                                      std::memory_order_acquire)) {
        MPOOL_STEP("region.mend.took_latch");
        return true;
      }
    }
    return false;
  }
  // quiet: its callers pass steps.
  bool Reset() { return word_.exchange(0, std::memory_order_acq_rel) != 0; }

 private:
  static constexpr uint32_t kOwnerMask = 0xfff;
  static constexpr uint32_t kWaiters = 0x1000;

  template <class Watch>
  void LockSlow(uint32_t self, Watch& watch);

  Word word_;
};

template <class Platform>
template <class Watch>
void BasicLatch<Platform>::LockSlow(uint32_t self, Watch& watch) {
  int spins = 0;
  while (true) {
    uint32_t word = word_.load(std::memory_order_relaxed);
    if (word == 0) {
      // quiet: Latch::Lock goes on to the step.
      if (word_.compare_exchange_weak(word, self, std::memory_order_acquire,
                                      std::memory_order_relaxed)) {
        return;
      }
      continue;
    }
    if (++spins < Platform::kSpins) continue;
    if ((word & kWaiters) == 0 &&
        // quiet: who dies asleep is only woken in vain.
        !word_.compare_exchange_weak(word, word | kWaiters,
                                     std::memory_order_relaxed)) {
      continue;
    }
    Platform::Sleep(&word_, word | kWaiters);
    if (word_.load(std::memory_order_relaxed) == (word | kWaiters)) {
      watch.Suspect(word & kOwnerMask, self);
    }
  }
}

}  // namespace mpool::region

#endif  // MPOOL_REGION_BASIC_LATCH_H_
