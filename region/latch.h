// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// latch.h - a mutual exclusion latch in shared memory that names its owner.
//
// Concurrency: any thread of any process; not recursive.
// Invariants:  L1 the word is 0, or names the thread that holds the latch. The
//              CAS that takes the latch stores this name.
//              L2 a waiter sets kWaiters beside the owner before it sleeps.
// Crash:       the word still names the dead owner. After its longest sleep a
//              waiter probes the owner, and repair (repair.h) releases a dead
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

#include "os/assert.h"
#include "os/thread_annotations.h"
#include "region/basic_latch.h"
#include "region/lock_rank.h"
#include "region/thread.h"

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

// A latch without its rank: what repair, adoption and diagnosis need.
// SHARED
class Latch {
 public:
  // Returns the thread that holds the latch, or 0.
  uint32_t owner() const { return steps_.owner(); }
  // Releases the latch of a dead owner. For repair only. False if `dead` does
  // not hold it.
  // REQUIRES: the caller holds the repair claim on the dead thread's process.
  // Not checkable: a latch does not know the process slots.
  bool ReleaseDead(uint32_t dead);
  // Frees the latch, whatever its word says. True if the word was not 0.
  // REQUIRES: no thread holds it or waits for it. Not checkable: the word of a
  // dead owner looks the same.
  // no step: the callers pass the steps.
  bool Reset() { return steps_.Reset(); }

 protected:
  void Lock(const Thread& self, LockRank rank);
  void Unlock(uint32_t self, LockRank rank);
  bool TakeOver(uint32_t dead, uint32_t self, LockRank rank);
  void CheckHeld(uint32_t self) const { MPOOL_ASSERT(owner() == self); }
  void CheckHeld(LockRank rank) const {
    MPOOL_ASSERT(owner() != 0 && IsRankHeld(rank));
  }

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

// A latch of one rank; see lock_rank.h.
// SHARED
template <LockRank rank>
class MPOOL_CAPABILITY("latch") RankedLatch : public Latch {
 public:
  // Waits until the latch is free. A living owner may hold it without limit.
  // Aborts, in debug builds, if the thread holds a latch of this rank or above.
  void Lock(const Thread& self) MPOOL_ACQUIRE() { Latch::Lock(self, rank); }
  // Aborts if the thread does not hold the latch.
  void Unlock(const Thread& self) MPOOL_RELEASE() {
    Latch::Unlock(self.id, rank);
  }
  // Gives the latch of a dead owner to the repairer. False if `dead` does not
  // hold it. REQUIRES: the claim that ReleaseDead needs; not checkable here.
  bool TakeOver(uint32_t dead, const Thread& self) MPOOL_TRY_ACQUIRE(true) {
    return Latch::TakeOver(dead, self.id, rank);
  }
  // Aborts, in debug builds, if the thread does not hold the latch. The second
  // form asks for the calling thread.
  void AssertHeld(const Thread& self) const MPOOL_ASSERT_CAPABILITY(this) {
    CheckHeld(self.id);
  }
  void AssertHeld() const MPOOL_ASSERT_CAPABILITY(this) { CheckHeld(rank); }

 private:
  template <LockRank>
  friend class LatchGuard;
  void UnlockAs(uint32_t self) { Latch::Unlock(self, rank); }
};
static_assert(sizeof(RankedLatch<LockRank::kHeap>) == 4);

// Holds a latch for a scope.
template <LockRank rank>
class MPOOL_SCOPED_CAPABILITY LatchGuard {
 public:
  LatchGuard(const Thread& self, RankedLatch<rank>& latch)
      MPOOL_ACQUIRE(latch)
      : latch_(latch), self_(self.id) {
    latch_.Lock(self);
  }
  ~LatchGuard() MPOOL_RELEASE() { latch_.UnlockAs(self_); }
  LatchGuard(const LatchGuard&) = delete;
  LatchGuard& operator=(const LatchGuard&) = delete;

 private:
  RankedLatch<rank>& latch_;
  const uint32_t self_;
};

}  // namespace mpool::region

#endif  // MPOOL_REGION_LATCH_H_
