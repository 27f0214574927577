// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// dead_latch.h - leaves a latch locked as a thread that is killed does.

#ifndef MPOOL_TESTS_SUPPORT_DEAD_LATCH_H_
#define MPOOL_TESTS_SUPPORT_DEAD_LATCH_H_

#include "os/thread_annotations.h"
#include "region/latch.h"

namespace mpool::region {

// Locks the latch in the name of a thread that never unlocks it. The calling
// thread may then acquire other latches.
template <LockRank rank>
void LeaveLocked(RankedLatch<rank>& latch,
                 const Thread& dead) MPOOL_NO_THREAD_SAFETY {
  latch.Lock(dead);
  RankReleased(rank);
}

}  // namespace mpool::region

#endif  // MPOOL_TESTS_SUPPORT_DEAD_LATCH_H_
