// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "region/lock_rank.h"

#ifndef NDEBUG

#include <cstdio>
#include <cstdlib>

namespace mpool::region {
namespace {

// One bit per rank that this thread holds.
thread_local unsigned held_ranks = 0;

unsigned Bit(LockRank rank) { return 1u << static_cast<int>(rank); }

}  // namespace

void RankTaken(LockRank rank) {
  if (held_ranks >= Bit(rank)) {
    std::fprintf(stderr, "mpool: latch of rank %d taken under ranks 0x%x\n",
                 static_cast<int>(rank), held_ranks);
    std::abort();
  }
  held_ranks |= Bit(rank);
}

void RankTakenOver(LockRank rank) { held_ranks |= Bit(rank); }

void RankReleased(LockRank rank) {
  if ((held_ranks & Bit(rank)) == 0) {
    std::fprintf(stderr, "mpool: latch of rank %d released but not held\n",
                 static_cast<int>(rank));
    std::abort();
  }
  held_ranks &= ~Bit(rank);
}

unsigned HeldRanks() { return held_ranks; }

bool IsRankHeld(LockRank rank) { return (held_ranks & Bit(rank)) != 0; }

}  // namespace mpool::region

#endif
