// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// cache_sizes.h - the cache sizes that a command line requests.

#ifndef MPOOL_TOOLS_TRACE_CACHE_SIZES_H_
#define MPOOL_TOOLS_TRACE_CACHE_SIZES_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "tools/verbs/args.h"

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

// Returns the sizes of --cache-frames or --cache-percent; 1, 5, 10 and 25
// percent if both are absent.
absl::StatusOr<CacheSizes> ParseCacheSizes(const Args& args,
                                           uint64_t least_frames);

}  // namespace mpool::tools

#endif  // MPOOL_TOOLS_TRACE_CACHE_SIZES_H_
