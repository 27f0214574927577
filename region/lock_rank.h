// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// lock_rank.h - the order in which latches may be taken, checked in debug
// builds. A thread takes a latch only of a higher rank than all it holds.
// Under the last three no latch is taken at all: a waiter that holds one of the
// first two may have to repair a dead process, and repair waits for those
// three, but never for the first two.

#ifndef MPOOL_REGION_LOCK_RANK_H_
#define MPOOL_REGION_LOCK_RANK_H_

namespace mpool::region {

enum class LockRank : int {
  kFiles = 1,    // the file table
  kExtents = 2,  // cutting an extent into frames
  kBucket = 3,   // one bucket of the hash
  kQueue = 4,    // the queues of one page size
  kHeap = 5,     // the region allocator
};

#ifdef NDEBUG
inline void RankTaken(LockRank) {}
inline void RankTakenOver(LockRank) {}
inline void RankReleased(LockRank) {}
inline unsigned HeldRanks() { return 0; }
#else
// Aborts when the order is broken.
void RankTaken(LockRank rank);
// A latch of the dead, taken without waiting: in any order.
void RankTakenOver(LockRank rank);
void RankReleased(LockRank rank);
// Those that this thread holds, bit by rank. Nothing where nothing is checked.
unsigned HeldRanks();
#endif

}  // namespace mpool::region

#endif  // MPOOL_REGION_LOCK_RANK_H_
