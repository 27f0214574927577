// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// extent_table.h - the extents of the cache: cut into frames of one page size,
// extended and retired; and the ring of extents of each page class.
//
// Concurrency: a thread that cuts or retires acquires the extents latch.
// Invariants:  E1 the memory of a header never serves another purpose, and its
//              version never decreases. This also holds while its extent is cut
//              for another page size. The frames of that size have other
//              headers or the same.
//              E2 an extent's class and number of frames are one word. A frame
//              that leaves the extent turns RETIRED. Before that it is LOADING
//              in the retiring thread's name, so that no thread holds it or its
//              page.
//              E3 no frame beyond `cache` is cut. `backed` is never below the
//              part that may have memory.
// Crash:       an extent is as its word says. Its RETIRED frames become FREE.
//              Rings are derived.
// Lock rank:   kExtents. A queue latch and the heap latch may be acquired
//              under it.
// State word:  CutWord; see pool_header.h.

#ifndef MPOOL_MPOOL_MEMORY_EXTENT_TABLE_H_
#define MPOOL_MPOOL_MEMORY_EXTENT_TABLE_H_

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "mpool/memory/extent_rings.h"
#include "mpool/memory/frame_queues.h"
#include "mpool/memory/pool_header.h"
#include "mpool/page/buffer_header.h"
#include "os/assert.h"
#include "region/memory.h"
#include "region/repair_pass.h"

namespace mpool::internal {

class ExtentTable {
 public:
  ExtentTable(region::Memory& memory, FrameQueues& queues)
      : memory_(memory), queues_(queues) {}

  // Attaches to the tables of extents and rings that the pool header names.
  void Attach(PoolHeader& pool);
  // Checks each extent and its blocks of headers. Returns DataLoss if one is
  // misplaced or invalid. See region::RegionClient::Check.
  absl::Status Check(region::Reachable* reached) const;

  // cache_bytes() is the size of the cache. backed_bytes() is the upper bound
  // of page bytes with memory. It is larger during a resize and after an
  // unfinished one.
  uint64_t cache_bytes() const {
    return SizeIn(pool_->cache.load(std::memory_order_acquire));
  }
  uint64_t backed_bytes() const {
    return SizeIn(pool_->backed.load(std::memory_order_acquire));
  }
  // Region offset of the page memory.
  uint64_t memory() const { return memory_.fixed().heap_limit; }

  // Returns the number of extents of such a cache. The last one may be partial.
  uint32_t ExtentsOf(uint64_t cache_bytes) const {
    return static_cast<uint32_t>(
        (cache_bytes + pool_->extent_bytes - 1) / pool_->extent_bytes);
  }
  // Returns the number of frames of the class that an extent has in such a
  // cache.
  uint64_t FramesOf(uint32_t extent, PageClass page_class,
                    uint64_t cache_bytes) const;
  // Returns the number of frames of the class in a whole extent.
  uint64_t PerExtent(PageClass page_class) const {
      return pool_->extent_bytes / page_class.bytes();
  }
  CutWord cut(uint32_t extent) const {
    MPOOL_ASSERT(extent < pool_->extent_count);
    return CutWord::Unpack(
        extents_[extent].word.load(std::memory_order_acquire));
  }
  // Returns the headers of an extent that is or was cut for the class.
  BufferHeader* HeadersOf(uint32_t extent, PageClass page_class) const {
    MPOOL_ASSERT(extent < pool_->extent_count);
      return memory_.At<BufferHeader>(
        extents_[extent].headers[BlockOf(page_class)].load(
            std::memory_order_acquire));
  }

  // Cuts an extent for pages of the class. False if no extent is left. Returns
  // the errors of the heap.
  absl::StatusOr<bool> Cut(const region::Thread& self, PageClass page_class);
  // Makes the caller the drainer of the frames from `keep` on, until Retire or
  // EndDrain. False if another thread drains the extent, if the extent is not
  // cut as `now` says, or if its class would not have `leaves` frames left.
  bool BeginDrain(const region::Thread& self, uint32_t extent,
                  const CutWord& now, uint64_t keep, uint64_t leaves);
  void EndDrain(const region::Thread& self, uint32_t extent);
  // Retires the frames of an extent from `keep` on, the whole extent if `keep`
  // is 0. False if the extent was extended since `drained` was read.
  // REQUIRES: the caller drains the extent. The frames to retire are LOADING in
  // the caller's name, and in no slot (not checkable: costs a search for each).
  bool Retire(const region::Thread& self, uint32_t extent,
              const CutWord& drained, uint64_t keep);
  // Ends the drains of dead threads: their extents are as before. Does not
  // wait.
  void ReleaseDrained(const region::RepairPass& pass);
  // The same for every extent, for an adoption.
  // REQUIRES: no other process is attached. Not checkable: the register knows.
  void ReleaseAllDrained();
  // Sets the size of the cache. Cut extents then have all their frames in it.
  // REQUIRES: memory (not checkable: the kernel has it) and headers for the
  // frames.
  void SetCacheBytes(const region::Thread& self, uint64_t bytes);
  // Makes the missing headers for the extents of such a cache. Returns the
  // errors of the heap.
  absl::Status MakeHeaders(const region::Thread& self, uint64_t cache_bytes);

  // True if the class has at least `frames` frames. Frames of the extent
  // `excluding` and of extents that are being drained do not count.
  bool HasAtLeast(uint64_t frames, PageClass page_class,
                  std::optional<uint32_t> excluding) const;
  // True if the class has fewer frames than a file needs.
  bool IsBelowMinimum(PageClass page_class) const;
  uint64_t MinFrames(PageClass page_class) const {
    return std::min<uint64_t>(kMinFrames, PerExtent(page_class));
  }

  // Return the rings of the classes, the number of positions in the ring of a
  // class, and the frame at a position. AtPosition returns nullptr where an
  // extent is short, or if the extent was just given to another class.
  const ExtentRings& rings() const { return rings_; }
  uint64_t RingSize(PageClass page_class) const {
    return rings_.ExtentsIn(page_class) * PerExtent(page_class);
  }
  BufferHeader* AtPosition(PageClass page_class, uint64_t position) const;

  // Makes the rings again if a dead thread was cutting, and releases its latch.
  // Adds the latches taken over to `*latches`.
  void Rebuild(const region::RepairPass& pass);
  // Makes the rings and the places of headers again from the extents' words.
  // REQUIRES: the extents latch, or that no other process is attached (not
  // checkable: see Adoption::Run).
  void RebuildRings();

  // Calls visit(extent, CutWord, first header) for each extent that is cut.
  template <class F>
  void ForEachExtent(F&& visit) const;
  // Calls visit(first header, count) for each block of headers ever made.
  template <class F>
  void ForEachBlock(F&& visit) const;

 private:
  template <class IsDead>
  void ReleaseDrainedBy(IsDead&& is_dead);
  absl::Status CheckExtent(uint32_t extent, region::Reachable* reached) const;
  bool IsEmpty(uint32_t extent) const;
  void StoreWord(uint32_t extent, uint64_t word);
  bool ChangeWord(uint32_t extent, uint64_t* expected, uint64_t word);
  absl::Status MakeBlock(const region::Thread& self, uint32_t extent,
                         PageClass page_class);
  void Extend(const region::Thread& self, uint32_t extent, uint64_t bytes);
  uint32_t FindUncut(PageClass page_class, uint64_t* frames) const;
  void PlaceHeaders(uint32_t extent, PageClass page_class, uint64_t from,
                    uint64_t to);
  void FreePlaced(const region::Thread& self, uint32_t extent, uint64_t from);
  void AddToRing(uint32_t extent, PageClass page_class, uint32_t n);
  void RemoveFromRing(uint32_t extent, PageClass page_class);

  region::Memory& memory_;
  FrameQueues& queues_;
  PoolHeader* pool_ = nullptr;
  Extent* extents_ = nullptr;
  ExtentRings rings_;
};

template <class F>
void ExtentTable::ForEachExtent(F&& visit) const {
  const uint32_t used = ExtentsUsed(*pool_);
  for (uint32_t i = 0; i < used; ++i) {
    const CutWord now = cut(i);
    if (now.is_cut()) visit(i, now, HeadersOf(i, now.page_class));
  }
}

template <class F>
void ExtentTable::ForEachBlock(F&& visit) const {
  const uint32_t used = ExtentsUsed(*pool_);
  for (uint32_t i = 0; i < used; ++i) {
    for (uint32_t block = 0; block < kHeaderBlocks; ++block) {
      if (extents_[i].headers[block].load(std::memory_order_acquire) == 0) {
        continue;
      }
      visit(HeadersOf(i, SmallestOf(block)), PerExtent(SmallestOf(block)));
    }
  }
}

}  // namespace mpool::internal

#endif  // MPOOL_MPOOL_MEMORY_EXTENT_TABLE_H_
