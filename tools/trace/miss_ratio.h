// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// miss_ratio.h - the misses of an LRU cache of every size, from one pass.
//
// R. L. Mattson, J. Gecsei, D. R. Slutz, I. L. Traiger, "Evaluation techniques
// for storage hierarchies", IBM Systems Journal 9 (2), 1970: a reference hits
// in every LRU cache that is at least as large as its stack distance.

#ifndef MPOOL_TOOLS_TRACE_MISS_RATIO_H_
#define MPOOL_TOOLS_TRACE_MISS_RATIO_H_

#include <cstdint>
#include <span>
#include <vector>

namespace mpool::tools {

class MissRatioCurve {
 public:
  // Computes exact stack distances in n log n time for n references. The memory
  // grows with the largest page number, so pages are to be ranks.
  explicit MissRatioCurve(std::span<const uint32_t> pages);

  uint64_t references() const { return references_; }
  // Returns the smallest size at which only first references miss. A size of 0
  // has no hits.
  uint64_t largest_useful_frames() const { return hits_.size() - 1; }
  // Returns the hits of an LRU cache of that many frames.
  uint64_t HitsAt(uint64_t frames) const;
  // Returns the miss ratio, 0..1; 1 for an empty trace.
  double MissRatioAt(uint64_t frames) const;

 private:
  uint64_t references_;
  std::vector<uint64_t> hits_;  // by frames
};

}  // namespace mpool::tools

#endif  // MPOOL_TOOLS_TRACE_MISS_RATIO_H_
