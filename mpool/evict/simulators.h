// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// simulators.h - the hits of a replacement policy on a trace, without a pool.
//
// LRU is an oracle and shares no code with the pool. CLOCK instantiates the
// pool's own rule (clock.h) over a plain array. See Simulator in policies.h.

#ifndef MPOOL_MPOOL_EVICT_SIMULATORS_H_
#define MPOOL_MPOOL_EVICT_SIMULATORS_H_

#include <cstdint>
#include <span>

namespace mpool::internal {

// Returns the number after the highest page; 0 if there is no page.
uint64_t AddressSpaceOf(std::span<const uint32_t> pages);

// Least recently used: a list and a hash map.
uint64_t LruHits(std::span<const uint32_t> pages, uint64_t frames);

// One-bit CLOCK: frames fill in order, a page enters with its bit clear.
uint64_t ClockHits(std::span<const uint32_t> pages, uint64_t frames);

}  // namespace mpool::internal

#endif  // MPOOL_MPOOL_EVICT_SIMULATORS_H_
