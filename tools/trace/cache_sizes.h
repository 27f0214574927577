// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// cache_sizes.h - the cache sizes of the runs on a trace.

#ifndef MPOOL_TOOLS_TRACE_CACHE_SIZES_H_
#define MPOOL_TOOLS_TRACE_CACHE_SIZES_H_

#include <cstdint>
#include <vector>

namespace mpool::tools {

// Either frames or percentages of a trace's distinct pages.
struct CacheSizes {
  std::vector<uint64_t> frames;
  std::vector<double> percents;

  // Returns the sizes for a trace, in the given order.
  std::vector<uint64_t> FramesFor(uint64_t page_count) const;
};

// Returns max(64, round(percent / 100 x page_count)).
uint64_t FramesForPercent(double percent, uint64_t page_count);

}  // namespace mpool::tools

#endif  // MPOOL_TOOLS_TRACE_CACHE_SIZES_H_
