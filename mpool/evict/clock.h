// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// clock.h - CLOCK, the one-bit second chance (Corbato, 1968).
//
// Role:        picks the next victim among frames in a ring. The pool and the
//              simulator instantiate the same template.
// Concurrency: depends on `Frames`; the rule itself keeps no state.
//
// Frames:
//   uint64_t AdvanceHand();          // returns the position under the hand,
//                                    // then moves the hand to the next
//   bool TakeChance(uint64_t pos);   // clears the reference bit; true if it
//                                    // was set
// A page enters with its bit clear; a hit sets it.

#ifndef MPOOL_MPOOL_EVICT_CLOCK_H_
#define MPOOL_MPOOL_EVICT_CLOCK_H_

#include <cstdint>
#include <optional>

#include "os/assert.h"

namespace mpool {

// Returns the position of the next victim after at most `budget` positions.
// Returns nullopt if each of them had its bit set. A budget of twice the ring
// always finds a victim while no thread sets bits.
template <class Frames>
std::optional<uint64_t> ClockVictim(Frames& frames, uint64_t budget) {
  MPOOL_ASSERT(budget != 0);
  for (uint64_t i = 0; i < budget; ++i) {
    const uint64_t position = frames.AdvanceHand();
    if (!frames.TakeChance(position)) return position;
  }
  return std::nullopt;
}

}  // namespace mpool

#endif  // MPOOL_MPOOL_EVICT_CLOCK_H_
