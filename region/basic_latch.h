// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// basic_latch.h - the protocol of region::Latch (latch.h) as a template on the
// platform: the machine, or a checker of memory orders.
//
// A platform has Word, a 32-bit atomic like std::atomic; kSpins, the number of
// loads before the first sleep; Sleep, which waits while a word has a given
// value; and WakeAll.

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

  // Waits for the latch. Calls watch.RepairIfDead if the owner keeps it for
  // long.
  template <class Watch>
  void Lock(uint32_t self, Watch& watch) {
    uint32_t expected = 0;
    // no step: Latch::Lock passes the step afterwards.
    if (!word_.compare_exchange_strong(expected, self,
                                       std::memory_order_acquire,
                                       std::memory_order_relaxed)) {
      LockSlow(self, watch);
    }
  }

  // Releases the latch and returns the thread that held it.
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

  // Releases the latch of a dead owner. False if `dead` does not own it.
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
  // Gives the latch of a dead owner to `self`. False if `dead` does not own it.
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
  // no step: the callers pass the steps.
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
      // no step: Latch::Lock passes the step afterwards.
      if (word_.compare_exchange_weak(word, self, std::memory_order_acquire,
                                      std::memory_order_relaxed)) {
        return;
      }
      continue;
    }
    if (++spins < Platform::kSpins) continue;
    if ((word & kWaiters) == 0 &&
        // no step: if the waiter dies, the flag only causes a useless wake.
        !word_.compare_exchange_weak(word, word | kWaiters,
                                     std::memory_order_relaxed)) {
      continue;
    }
    Platform::Sleep(&word_, word | kWaiters);
    if (word_.load(std::memory_order_relaxed) == (word | kWaiters)) {
      watch.RepairIfDead(word & kOwnerMask, self);
    }
  }
}

}  // namespace mpool::region

#endif  // MPOOL_REGION_BASIC_LATCH_H_
