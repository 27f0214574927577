// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// frame_index.h - the number of a frame: its buffer header's region offset in
// lines. Shared words store the value.

#ifndef MPOOL_MPOOL_PAGE_FRAME_INDEX_H_
#define MPOOL_MPOOL_PAGE_FRAME_INDEX_H_

#include <compare>
#include <cstdint>
#include <type_traits>

#include "os/assert.h"
#include "region/limits.h"

namespace mpool::internal {

class FrameIndex {
 public:
  constexpr FrameIndex() = default;  // none
  constexpr explicit FrameIndex(uint32_t value) : value_(value) {}
  // Returns the index of the header at a region offset.
  static constexpr FrameIndex AtOffset(uint64_t offset) {
    MPOOL_ASSERT(offset % kLineBytes == 0);
    return FrameIndex(static_cast<uint32_t>(offset / kLineBytes));
  }

  constexpr bool is_none() const { return value_ == 0; }
  constexpr uint32_t value() const { return value_; }
  // Returns the region offset of the frame's header.
  constexpr uint64_t offset() const { return uint64_t{value_} * kLineBytes; }
  friend constexpr auto operator<=>(FrameIndex, FrameIndex) = default;

 private:
  uint32_t value_ = 0;
};

inline constexpr FrameIndex kNoFrame;

static_assert(std::is_trivially_copyable_v<FrameIndex>);
static_assert(sizeof(FrameIndex) == sizeof(uint32_t));

}  // namespace mpool::internal

#endif  // MPOOL_MPOOL_PAGE_FRAME_INDEX_H_
