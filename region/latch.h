// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// latch.h - a mutual exclusion latch in shared memory that names its owner.
//
// Concurrency: any thread of any process; not recursive.
// Invariants:  L1 the word is 0, or names the thread that holds the latch,
//              put there by the same CAS that took it.
//              L2 who sleeps has set kWaiters while the owner was there.
// Crash:       the word keeps naming the dead owner. A waiter that slept its
//              bound asks whether the owner is dead, and repair (repair.h)
//              takes the latch back. No timeout grants ownership.
// Word:        owner 12 | waiters 1
//              T1 0 -> owner             Lock
//              T2 owner -> owner|waiters a waiter, before it sleeps
//              T3 owner[|waiters] -> 0   Unlock, and repair of a dead owner
//              T4 dead -> repairer       TakeOver
//              T5 any -> 0               Reset, by who adopts the region

#ifndef MPOOL_REGION_LATCH_H_
#define MPOOL_REGION_LATCH_H_

#include <atomic>
#include <cstdint>

#include "region/basic_latch.h"
#include "region/lock_rank.h"

namespace mpool::region {

// Whoever can tell whether a thread's process lives, and repair it if not.
class LifeWatch {
 public:
  virtual ~LifeWatch() = default;
  // Looks whether the process of thread `suspect` is dead and repairs it in
  // the name of thread `self`. Returns once the repair, if one was needed and
  // could be claimed, is over; whether there was one.
  virtual bool Suspect(uint32_t suspect, uint32_t self) = 0;
};

class Latch {
 public:
  // Waits until the latch is free, however long its living owner takes.
  // REQUIRES: thread `self` does not hold it.
  void Lock(uint32_t self, LifeWatch& watch, LockRank rank);
  void Unlock(uint32_t self, LockRank rank);

  // The thread that holds it, or 0.
  uint32_t owner() const { return steps_.owner(); }
  // Repair only: the latch of a dead owner becomes free, or the repairer's.
  // False if `dead` does not hold it.
  // REQUIRES: the caller holds the repair claim on the dead thread's process.
  bool ReleaseDead(uint32_t dead);
  bool TakeOver(uint32_t dead, uint32_t self, LockRank rank);
  // Free, whatever the word says; whether it said anything.
  // REQUIRES: nobody is there who could hold it or wait for it.
  // quiet: its callers pass steps.
  bool Reset() { return steps_.Reset(); }

 private:
  // The machine itself; see basic_latch.h.
  struct Machine {
    using Word = std::atomic<uint32_t>;
    // The latches here guard a few dozen instructions.
    static constexpr int kSpins = 100;
    static void Sleep(const Word* word, uint32_t expected);
    static void WakeAll(const Word* word);
  };

  BasicLatch<Machine> steps_;
};

// Holds a latch for a scope.
class LatchGuard {
 public:
  LatchGuard(Latch& latch, uint32_t self, LifeWatch& watch, LockRank rank)
      : latch_(latch), self_(self), rank_(rank) {
    latch_.Lock(self_, watch, rank_);
  }
  ~LatchGuard() { latch_.Unlock(self_, rank_); }
  LatchGuard(const LatchGuard&) = delete;
  LatchGuard& operator=(const LatchGuard&) = delete;

 private:
  Latch& latch_;
  uint32_t self_;
  LockRank rank_;
};

}  // namespace mpool::region

#endif  // MPOOL_REGION_LATCH_H_
