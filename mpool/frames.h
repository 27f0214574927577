// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// frames.h - the cache's memory: extents, cut into frames of one page size,
// their buffer headers, and the queues of free frames.
//
// Concurrency: Cut takes the extents latch; the queues take the queue latch of
//              their page class.
// Invariants:  F1 an extent is cut once; its headers are never anything else.
//              F2 the free queue is a hint: the CAS FREE -> LOADING is the
//              allocation. A frame that is FREE and in no queue is found again
//              by the next rebuild.
// Crash:       an extent counts as cut once extents_used covers it; before,
//              the next one cuts it again. Rings and queues are derived.
// Lock rank:   kExtents, then kQueue; the heap latch may be taken under the
//              first.

#ifndef MPOOL_MPOOL_FRAMES_H_
#define MPOOL_MPOOL_FRAMES_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>

#include "absl/status/statusor.h"
#include "mpool/buffer_header.h"
#include "mpool/frame_set.h"
#include "region/region.h"

namespace mpool::internal {

// Ends of a queue of frames. SHARED
struct FrameQueue {
  std::atomic<uint32_t> head;
  std::atomic<uint32_t> tail;
};

// One page size: 512 << class. SHARED
struct alignas(kLineBytes) ClassHeader {
  region::Latch queue_latch;
  std::atomic<uint32_t> extents;  // in the ring
  FrameQueue free;
  FrameQueue order;  // the policy's
  std::atomic<uint64_t> hand;
};
static_assert(sizeof(ClassHeader) == 64);

// SHARED
struct Extent {
  uint64_t offset;
  uint32_t size_bytes;
  std::atomic<uint32_t> page_class;  // + 1; 0 = not cut
  std::atomic<uint64_t> headers;     // region offset
  std::atomic<uint64_t> frames;
};
static_assert(sizeof(Extent) == 32);

// What the pool puts first into a region. SHARED
struct PoolHeader {
  uint64_t cache_bytes;
  uint32_t extent_bytes;
  uint32_t extent_count;
  std::atomic<uint64_t> extents;   // Extent[extent_count]
  std::atomic<uint64_t> rings;     // uint32[kPageClasses][extent_count]
  std::atomic<uint64_t> headers;   // for pages of 4 KiB or more
  std::atomic<uint64_t> frames;    // cache_bytes of page memory
  std::atomic<uint64_t> buckets;
  std::atomic<uint32_t> bucket_count;
  std::atomic<uint32_t> extents_used;
  region::Latch extents_latch;
  region::Latch files_latch;
  std::atomic<uint32_t> files_used;  // entries ever in use
  uint32_t pad;
  ClassHeader classes[kPageClasses];
  std::atomic<uint64_t> file_blocks[kMaxFiles / 64];
};
static_assert(sizeof(PoolHeader) == 128 + 512 + 512);

// Pages of this size or more have their headers from the region's creation on.
inline constexpr uint64_t kHeaderPageBytes = 4096;
// How a cache is cut.
uint64_t ExtentBytes(uint64_t cache_bytes);
uint64_t ExtentCount(uint64_t cache_bytes);
inline uint64_t LargePageHeaders(uint64_t cache_bytes) {
  return (cache_bytes + kHeaderPageBytes - 1) / kHeaderPageBytes;
}

// Bytes that a region for such a cache needs at its creation, and at most.
struct PoolSize {
  uint64_t region_bytes = 0;
  uint64_t reserved_bytes = 0;
};
PoolSize SizeOfPool(uint64_t cache_bytes);

class FrameTable {
 public:
  explicit FrameTable(region::Region& region) : region_(region) {}

  // Whether extents and headers are where and what they must be, and attaches
  // to them; see region::Tenant::Check.
  absl::Status Check(bool alone, region::Reachable* reached);
  // Makes extents, headers and frames in a new region and leads its root to
  // them.
  absl::Status Format(const region::Thread& self, uint64_t cache_bytes);
  // Finds them in a region that has them.
  void Attach();
  bool IsAttached() const { return pool_ != nullptr; }

  PoolHeader& pool() const { return *pool_; }
  ClassHeader& page_class(uint32_t c) const { return pool_->classes[c]; }

  BufferHeader& header(FrameIndex frame) const {
    return *region_.At<BufferHeader>(uint64_t{frame} * kLineBytes);
  }
  // Whether a number that was read somewhere is that of a frame.
  bool IsHeader(FrameIndex frame) const;
  FrameIndex IndexOf(const BufferHeader& header) const {
    return static_cast<FrameIndex>(region_.OffsetOf(&header) / kLineBytes);
  }
  std::byte* data(const BufferHeader& header) const {
    return region_.base() + header.data_offset();
  }
  std::span<std::byte> bytes(const BufferHeader& header) const {
    return {data(header), ClassBytes(header.page_class())};
  }

  // Cuts the next extent for pages of the class. False if there is none.
  absl::StatusOr<bool> Cut(const region::Thread& self, uint32_t page_class);

  // A free frame, LOADING in the caller's name; nullptr if none is known.
  BufferHeader* TakeFree(const region::Thread& self, uint32_t page_class);
  // FREE -> LOADING; this CAS is the allocation.
  bool TryTake(const region::Thread& self, BufferHeader& header);
  // LOADING -> FREE, and into the queue.
  void GiveBack(const region::Thread& self, BufferHeader& header);
  // Puts a frame that is FREE into the queue.
  void PushFree(const region::Thread& self, BufferHeader& header);

  // Frames in the ring of a class, and the one at a position; nullptr where
  // the last extent is short.
  uint64_t RingSize(uint32_t page_class) const;
  BufferHeader* AtPosition(uint32_t page_class, uint64_t position) const;

  template <class F>
  void ForEachHeader(F&& visit) const;

  // Queue surgery; REQUIRES the queue latch of the header's class.
  FrameQueue& QueueOf(const BufferHeader& header, Queue queue) const;
  void Link(BufferHeader& header, Queue queue, bool at_front);
  void Unlink(BufferHeader& header);

  // Nobody else is attached: what is derived from the extents and from the
  // phases of the headers.
  void PlaceAnew();
  void LinkAnew(bool ordered);

  // Repair: rings from the extents if a dead thread was cutting, queues from
  // the headers. Takes the latches from dead owners, and waits for those of
  // the queues. `ordered`: the policy keeps VALID frames in a queue.
  void Rebuild(const region::Thread& self,
               const std::function<bool(uint32_t)>& is_dead,
               bool ordered, uint64_t* latches);

 private:
  absl::Status CheckPlaces(region::Reachable* reached) const;
  bool HoldsPages(uint32_t extent) const;
  absl::Status CheckExtent(uint32_t index, region::Reachable* reached) const;
  // Where an extent has its headers if they are from the region's creation.
  uint64_t HeadersOfLarge(uint32_t extent) const {
    return pool_->headers.load() + extent * (pool_->extent_bytes /
                                             kHeaderPageBytes) *
                                       sizeof(BufferHeader);
  }
  absl::Status MakeHeaders(const region::Thread& self, uint32_t extent,
                           uint32_t page_class, uint64_t frames);
  void AddToRing(uint32_t extent, uint32_t page_class, uint32_t n);
  void RebuildRings();
  void LinkAtRest(BufferHeader& header, bool ordered);
  template <class F>
  void ForEachExtent(F&& visit) const;
  void RebuildClass(uint32_t page_class, bool ordered, bool anew);
  std::atomic<uint32_t>& RingSlot(uint32_t page_class, uint32_t i) const {
    return rings_[page_class * pool_->extent_count + i];
  }

  region::Region& region_;
  PoolHeader* pool_ = nullptr;
  Extent* extents_ = nullptr;
  std::atomic<uint32_t>* rings_ = nullptr;
};

template <class F>
void FrameTable::ForEachExtent(F&& visit) const {
  const uint32_t used = std::min(
      pool_->extents_used.load(std::memory_order_acquire),
      pool_->extent_count);
  for (uint32_t i = 0; i < used; ++i) {
    visit(extents_[i],
          region_.At<BufferHeader>(
              extents_[i].headers.load(std::memory_order_acquire)));
  }
}

template <class F>
void FrameTable::ForEachHeader(F&& visit) const {
  ForEachExtent([&](const Extent& extent, BufferHeader* first) {
    const uint64_t frames = extent.frames.load(std::memory_order_acquire);
    for (uint64_t i = 0; i < frames; ++i) visit(first[i]);
  });
}

}  // namespace mpool::internal

#endif  // MPOOL_MPOOL_FRAMES_H_
