// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "tools/trace/cache_sizes.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "absl/status/status.h"
#include "os/status.h"

namespace mpool::tools {
namespace {

constexpr uint64_t kLeastFramesForPercent = 64;
// Frame indexes have 32 bits.
constexpr uint64_t kMostFrames = std::numeric_limits<uint32_t>::max();
constexpr double kLeastPercent = 0.0001;

}  // namespace

uint64_t FramesForPercent(double percent, uint64_t page_count) {
  const double frames =
      std::round(percent * static_cast<double>(page_count) / 100.0);
  return std::max(kLeastFramesForPercent, static_cast<uint64_t>(frames));
}

std::vector<uint64_t> CacheSizes::FramesFor(uint64_t page_count) const {
  std::vector<uint64_t> sizes = frames;
  for (const double percent : percents) {
    sizes.push_back(FramesForPercent(percent, page_count));
  }
  return sizes;
}

absl::StatusOr<CacheSizes> ParseCacheSizes(const Args& args,
                                           uint64_t least_frames) {
  if (args.Has("--cache-frames") && args.Has("--cache-percent")) {
    return absl::InvalidArgumentError(
        "--cache-frames and --cache-percent exclude each other; give one");
  }
  CacheSizes sizes;
  MPOOL_ASSIGN_OR_RETURN(
      sizes.frames, args.Numbers("--cache-frames", least_frames, kMostFrames));
  MPOOL_ASSIGN_OR_RETURN(sizes.percents,
                         args.Percents("--cache-percent", kLeastPercent));
  if (sizes.frames.empty() && sizes.percents.empty()) {
    sizes.percents = {1, 5, 10, 25};
  }
  return sizes;
}

}  // namespace mpool::tools
