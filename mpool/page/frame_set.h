// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// frame_set.h - a set of frames, one bit each.

#ifndef MPOOL_MPOOL_PAGE_FRAME_SET_H_
#define MPOOL_MPOOL_PAGE_FRAME_SET_H_

#include <algorithm>
#include <vector>

#include "mpool/page/frame_index.h"
#include "os/assert.h"

namespace mpool::internal {

class FrameSet {
 public:
  void Add(FrameIndex frame) {
    const size_t bit = frame.value();
    if (bit >= bits_.size()) {
      bits_.resize(std::max(bit + 1, 2 * bits_.size()));
    }
    bits_[bit] = true;
  }
  // REQUIRES: Has(frame).
  void Remove(FrameIndex frame) {
    MPOOL_ASSERT(Has(frame));
    bits_[frame.value()] = false;
  }
  // True if the set has the frame. Accepts any number.
  bool Has(FrameIndex frame) const {
    return frame.value() < bits_.size() && bits_[frame.value()];
  }

 private:
  std::vector<bool> bits_;
};

}  // namespace mpool::internal

#endif  // MPOOL_MPOOL_PAGE_FRAME_SET_H_
