// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// lock_rank.h - the order in which latches may be taken, checked in debug
// builds. A thread takes only a latch of a higher rank than all latches that it
// holds. Under the last three ranks no latch is taken at all. The reason: a
// waiter that holds one of the first two ranks may have to repair a dead
// process. Repair waits for the last three ranks, but never for the first two.

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
inline bool IsRankHeld(LockRank) { return true; }
#else
// Records that this thread took a latch. Aborts if the order is broken.
void RankTaken(LockRank rank);
// Records that this thread took over a dead owner's latch. The order does not
// matter because a takeover never waits.
void RankTakenOver(LockRank rank);
// Aborts if this thread does not hold the rank.
void RankReleased(LockRank rank);
// Returns the ranks that this thread holds, one bit per rank. 0 in builds
// without the check.
unsigned HeldRanks();
// True if this thread holds a latch of the rank. Always true in builds without
// the check.
bool IsRankHeld(LockRank rank);
#endif

}  // namespace mpool::region

#endif  // MPOOL_REGION_LOCK_RANK_H_
