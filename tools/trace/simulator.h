// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// simulator.h - the hits of a replacement policy on a trace, without a pool.
//
// The policies of the pool have their simulators in mpool/evict/policies.h. OPT
// needs the future, so that only a simulator can run it.
// The cache starts empty. A miss always loads the page.

#ifndef MPOOL_TOOLS_TRACE_SIMULATOR_H_
#define MPOOL_TOOLS_TRACE_SIMULATOR_H_

#include <cstdint>
#include <span>

#include "mpool/evict/policies.h"
#include "mpool/evict/simulators.h"

namespace mpool::tools {

using SimulatedPolicy = internal::Simulator;
using internal::ClockHits;
using internal::LruHits;

// Belady's MIN: the victim is the page whose next use is farthest away.
// L. A. Belady, "A study of replacement algorithms for a virtual-storage
// computer", IBM Systems Journal 5 (2), 1966.
uint64_t OptHits(std::span<const uint32_t> pages, uint64_t frames);

// REQUIRES: frames >= 1, and pages are ranks.
uint64_t SimulateHits(SimulatedPolicy policy, std::span<const uint32_t> pages,
                      uint64_t frames);

}  // namespace mpool::tools

#endif  // MPOOL_TOOLS_TRACE_SIMULATOR_H_
