// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// frame_set.h - a set of frames, one bit each.

#ifndef MPOOL_MPOOL_PAGE_FRAME_SET_H_
#define MPOOL_MPOOL_PAGE_FRAME_SET_H_

#include <algorithm>
#include <vector>

#include "mpool/page/buffer_header.h"
#include "os/assert.h"

namespace mpool::internal {

class FrameSet {
 public:
  void Add(FrameIndex frame) {
    if (frame >= bits_.size()) {
      bits_.resize(std::max<size_t>(frame + 1, 2 * bits_.size()));
    }
    bits_[frame] = true;
  }
  // REQUIRES: Has(frame).
  void Remove(FrameIndex frame) {
    MPOOL_ASSERT(Has(frame));
    bits_[frame] = false;
  }
  // True if the set has the frame. Accepts any number.
  bool Has(FrameIndex frame) const {
    return frame < bits_.size() && bits_[frame];
  }

 private:
  std::vector<bool> bits_;
};

}  // namespace mpool::internal

#endif  // MPOOL_MPOOL_PAGE_FRAME_SET_H_
