// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// latch.h - a mutual exclusion latch in shared memory that names its owner.
//
// Concurrency: any thread of any process; not recursive.
// Invariants:  L1 the word is 0, or names the thread that holds the latch. The
//              CAS that takes the latch stores this name.
//              L2 a waiter sets kWaiters beside the owner before it sleeps.
// Crash:       the word still names the dead owner. After its longest sleep a
//              waiter probes the owner, and repair (repair.cc) releases a dead
//              owner's latch. No timeout grants ownership.
// Word:        owner 12 | waiters 1
//              T1 0 -> owner             Lock
//              T2 owner -> owner|waiters a waiter, before it sleeps
//              T3 owner[|waiters] -> 0   Unlock, and repair of a dead owner
//              T4 dead -> repairer       TakeOver
//              T5 any -> 0               Reset, by the adopter

#ifndef MPOOL_REGION_LATCH_H_
#define MPOOL_REGION_LATCH_H_

#include <atomic>
#include <cstdint>

#include "region/basic_latch.h"
#include "region/lock_rank.h"

namespace mpool::region {

// Detects and repairs the dead process of a latch's owner.
class LifeWatch {
 public:
  virtual ~LifeWatch() = default;
  // Probes the process of thread `suspect`. If it is dead and its repair can be
  // claimed, repairs it in the name of thread `self`. True if the call repaired
  // it.
  virtual bool RepairIfDead(uint32_t suspect, uint32_t self) = 0;
};

class Latch {
 public:
  // Waits until the latch is free. A living owner may hold it without limit.
  // REQUIRES: thread `self` does not hold it.
  void Lock(uint32_t self, LifeWatch& watch, LockRank rank);
  void Unlock(uint32_t self, LockRank rank);

  // Returns the thread that holds the latch, or 0.
  uint32_t owner() const { return steps_.owner(); }
  // Releases the latch of a dead owner, or gives it to the repairer. For repair
  // only. False if `dead` does not hold it.
  // REQUIRES: the caller holds the repair claim on the dead thread's process.
  bool ReleaseDead(uint32_t dead);
  bool TakeOver(uint32_t dead, uint32_t self, LockRank rank);
  // Frees the latch, whatever its word says. True if the word was not 0.
  // REQUIRES: no thread holds it or waits for it.
  // no step: the callers pass the steps.
  bool Reset() { return steps_.Reset(); }

 private:
  // The platform of basic_latch.h: the machine itself.
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
