// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "tools/trace/cache_sizes.h"

#include <algorithm>
#include <cmath>

namespace mpool::tools {
namespace {

constexpr uint64_t kLeastFramesForPercent = 64;

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

}  // namespace mpool::tools
