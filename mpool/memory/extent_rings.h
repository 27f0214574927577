// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// extent_rings.h - the ring of each page class: its extents in the order in
// which CLOCK passes them.
//
// Concurrency: any thread may read. A change needs the extents latch.
// Crash:       the rings are derived from the words of the extents. Repair
//              makes them again.

#ifndef MPOOL_MPOOL_MEMORY_EXTENT_RINGS_H_
#define MPOOL_MPOOL_MEMORY_EXTENT_RINGS_H_

#include <algorithm>
#include <atomic>
#include <cstdint>

#include "mpool/memory/pool_header.h"
#include "os/assert.h"

namespace mpool::internal {

class ExtentRings {
 public:
  // `slots`: kPageClasses times extent_count words in the region.
  void Attach(const PoolHeader& pool, std::atomic<uint32_t>* slots) {
    pool_ = &pool;
    slots_ = slots;
  }

  // Returns the number of extents in the ring of a class. Accepts any word.
  uint32_t ExtentsIn(PageClass page_class) const {
      return std::min(pool_->class_of(page_class).extents.load(
                        std::memory_order_acquire),
                    pool_->extent_count);
  }
  // Returns the extent at a place. The word may be stale.
  uint32_t At(PageClass page_class, uint32_t place) const {
    return Slot(page_class, place).load(std::memory_order_relaxed);
  }
  // REQUIRES: the extents latch, or that no other process is attached (not
  // checkable: this type does not know the thread).
  // no step below: rings are rebuilt from the extents' words.
  void Set(PageClass page_class, uint32_t place, uint32_t extent) {
    Slot(page_class, place).store(extent, std::memory_order_relaxed);
  }

 private:
  std::atomic<uint32_t>& Slot(PageClass page_class, uint32_t place) const {
      MPOOL_ASSERT(place < pool_->extent_count);
    return slots_[page_class.index() * pool_->extent_count + place];
  }

  const PoolHeader* pool_ = nullptr;
  std::atomic<uint32_t>* slots_ = nullptr;
};

}  // namespace mpool::internal

#endif  // MPOOL_MPOOL_MEMORY_EXTENT_RINGS_H_
