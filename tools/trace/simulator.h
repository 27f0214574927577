// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// simulator.h - the hits of a replacement policy on a trace, without a pool.
//
// LRU and OPT are oracles and share no code with the pool. CLOCK instantiates
// the pool's own rule (mpool/evict/clock.h) over a plain array.
// The cache starts empty. A miss always loads the page.

#ifndef MPOOL_TOOLS_TRACE_SIMULATOR_H_
#define MPOOL_TOOLS_TRACE_SIMULATOR_H_

#include <cstdint>
#include <span>

namespace mpool::tools {

enum class SimulatedPolicy { kLru, kClock, kOpt };

// Returns the hits of least recently used, by a list and a hash map.
uint64_t LruHits(std::span<const uint32_t> pages, uint64_t frames);

// Returns the hits of one-bit CLOCK. Frames fill in order, and the bit of a new
// page is clear.
uint64_t ClockHits(std::span<const uint32_t> pages, uint64_t frames);

// Returns the hits of Belady's MIN. The victim is the page whose next use is
// farthest away.
// L. A. Belady, "A study of replacement algorithms for a virtual-storage
// computer", IBM Systems Journal 5 (2), 1966.
uint64_t OptHits(std::span<const uint32_t> pages, uint64_t frames);

// Returns the hits of `policy`. Its memory grows with the largest page number.
// REQUIRES: frames >= 1.
uint64_t SimulateHits(SimulatedPolicy policy, std::span<const uint32_t> pages,
                      uint64_t frames);

}  // namespace mpool::tools

#endif  // MPOOL_TOOLS_TRACE_SIMULATOR_H_
