// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// frames.h - the cache's memory: extents, cut into frames of one page size,
// their buffer headers, and the queues of free frames.
//
// The page memory is the tail of the region's address space. It is as long as
// the largest cache, and its part [0, cache) is in use. Extent i is the i-th
// piece of the page memory. The tables of extents and rings are made for the
// largest cache at once.
//
// Concurrency: a thread that cuts or retires acquires the extents latch. A
//              change of a queue acquires the queue latch of its page class.
// Invariants:  F1 the memory of a header never serves another purpose, and its
//              version never decreases. This also holds while its extent is cut
//              for another page size. The frames of that size have other
//              headers or the same.
//              F2 the free queue is a hint: the CAS FREE -> LOADING is the
//              allocation. The next rebuild finds a frame that is FREE and in
//              no queue.
//              F3 an extent's class and number of frames are one word. A frame
//              that leaves the extent turns RETIRED. Before that it is LOADING
//              in the retiring thread's name, so that no thread holds it or its
//              page.
//              F4 a header is linked, and its class changes, under the queue
//              latch of its current class.
//              F5 no frame beyond `cache` is cut. `backed` is never below the
//              part that may have memory.
// Crash:       an extent is as its word says. Its RETIRED frames become FREE.
//              Rings and queues are derived.
// Lock rank:   kExtents, then kQueue. The heap latch may be acquired under
//              kExtents.

#ifndef MPOOL_MPOOL_MEMORY_FRAMES_H_
#define MPOOL_MPOOL_MEMORY_FRAMES_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>

#include "absl/status/statusor.h"
#include "mpool/page/buffer_header.h"
#include "mpool/page/frame_set.h"
#include "region/region.h"

namespace mpool::internal {

// Ends of a queue of frames. SHARED
struct FrameQueue {
  std::atomic<uint32_t> head;
  std::atomic<uint32_t> tail;
};

// One page size: 512 << class. SHARED
struct alignas(kLineBytes) ClassHeader {
  region::RankedLatch<region::LockRank::kQueue> queue_latch;
  std::atomic<uint32_t> extents;  // in the ring
  FrameQueue free;
  FrameQueue order;  // the policy's
  std::atomic<uint64_t> hand;
  std::atomic<uint64_t> turned;  // victims since the last balancing
};
static_assert(sizeof(ClassHeader) == 64);

// In each extent, pages of 4 KiB or more share one block of headers. Each
// smaller size has its own block, made at first need and kept.
inline constexpr uint32_t kHeaderBlocks = 4;

// SHARED
struct Extent {
  std::atomic<uint64_t> word;  // a CutWord; 0 = not cut
  std::atomic<uint64_t> headers[kHeaderBlocks];  // region offsets
};
static_assert(sizeof(Extent) == 40);

// The cut of an extent: frames 32 | drainer 12 | page class + 1 8.
struct CutWord {
  uint32_t page_class = 0;
  uint64_t frames = 0;
  uint32_t drainer = 0;  // thread that retires its frames, or 0

  static CutWord Unpack(uint64_t word) {
    return {static_cast<uint32_t>(word & 0xff) - 1, word >> 32,
            static_cast<uint32_t>(word >> 8) & 0xfff};
  }
  uint64_t Pack() const {
    return frames << 32 | uint64_t{drainer} << 8 | (page_class + 1);
  }
  bool is_cut() const { return page_class < kPageClasses; }
};

// Packs a number of bytes, in units of 512, with a checksum. The checksum is
// needed because no other data of the region can validate the size.
inline uint64_t SealSize(uint64_t bytes) {
  const uint64_t units = bytes / kMinPageBytes;
  return units << 24 | (units * 0x9e3779b97f4a7c15 >> 40 ^ 0x5a5a5a);
}
inline uint64_t SizeIn(uint64_t word) { return (word >> 24) * kMinPageBytes; }

// The root object of the pool in a region. SHARED
struct PoolHeader {
  std::atomic<uint64_t> cache;   // sealed: page bytes in use
  std::atomic<uint64_t> backed;  // sealed: most page bytes with memory
  std::atomic<uint64_t> extents;   // Extent[extent_count]
  std::atomic<uint64_t> rings;     // uint32[kPageClasses][extent_count]
  uint32_t extent_bytes;
  uint32_t extent_count;           // of the largest cache
  std::atomic<uint64_t> buckets;
  std::atomic<uint32_t> bucket_count;
  std::atomic<uint32_t> extents_used;  // later ones were never cut
  region::RankedLatch<region::LockRank::kExtents> extents_latch;
  region::RankedLatch<region::LockRank::kFiles> files_latch;
  std::atomic<uint32_t> files_used;  // entries ever in use
  std::atomic<uint32_t> resizer;  // thread that resizes the cache, or 0
  uint64_t pad[7];
  ClassHeader classes[kPageClasses];
  std::atomic<uint64_t> file_blocks[kMaxFiles / 64];
};
static_assert(sizeof(PoolHeader) == 128 + 512 + 512);

// Returns the size of an extent for a cache of this size at its creation.
uint64_t ExtentBytes(uint64_t cache_bytes);

// Sets the sizes of a region for such a cache.
void SizeRegion(uint64_t cache_bytes, uint64_t max_cache_bytes,
                region::RegionOptions* options);

class FrameTable {
 public:
  explicit FrameTable(region::Region& region) : region_(region) {}

  // Checks extents and headers, and attaches to them. Returns DataLoss if one
  // is misplaced or invalid. See region::RegionClient::Check.
  absl::Status Check(region::Reachable* reached);
  // Makes extents, headers and frames in a new region and points its root to
  // them. Returns the errors of the heap and of preparing memory.
  absl::Status Format(const region::Thread& self);
  // Attaches to the tables of a region that has them.
  void Attach();
  bool IsAttached() const { return pool_ != nullptr; }

  PoolHeader& pool() const { return *pool_; }
  ClassHeader& page_class(uint32_t c) const { return pool_->classes[c]; }
  // cache_bytes() is the size of the cache. backed_bytes() is the upper bound
  // of page bytes with memory. It is larger during a resize and after an
  // unfinished one.
  uint64_t cache_bytes() const {
    return SizeIn(pool_->cache.load(std::memory_order_acquire));
  }
  uint64_t backed_bytes() const {
    return SizeIn(pool_->backed.load(std::memory_order_acquire));
  }
  bool IsResizing() const {
    return pool_->cache.load(std::memory_order_relaxed) !=
           pool_->backed.load(std::memory_order_relaxed);
  }
  // Region offset of the page memory.
  uint64_t memory() const { return region_.memory().fixed().heap_limit; }
  // Returns the number of extents of such a cache. The last one may be partial.
  uint32_t ExtentsOf(uint64_t cache_bytes) const {
    return static_cast<uint32_t>(
        (cache_bytes + pool_->extent_bytes - 1) / pool_->extent_bytes);
  }
  // Returns the number of frames of the class that an extent has in such a
  // cache.
  uint64_t FramesOf(uint32_t extent, uint32_t page_class,
                    uint64_t cache_bytes) const;
  CutWord cut(uint32_t extent) const {
    return CutWord::Unpack(
        extents_[extent].word.load(std::memory_order_acquire));
  }
  // Returns the headers of an extent that is or was cut for the class.
  BufferHeader* HeadersOf(uint32_t extent, uint32_t page_class) const {
    return region_.memory().At<BufferHeader>(
        extents_[extent].headers[BlockOf(page_class)].load(
            std::memory_order_acquire));
  }

  BufferHeader& header(FrameIndex frame) const {
    return *region_.memory().At<BufferHeader>(uint64_t{frame} * kLineBytes);
  }
  // True if a frame has this number. Accepts any number.
  bool IsHeader(FrameIndex frame) const;
  FrameIndex IndexOf(const BufferHeader& header) const {
    return static_cast<FrameIndex>(region_.memory().OffsetOf(&header) /
                                   kLineBytes);
  }
  std::byte* data(const BufferHeader& header) const {
    return region_.memory().base() + header.data_offset();
  }
  std::span<std::byte> bytes(const BufferHeader& header) const {
    return {data(header), ClassBytes(header.page_class())};
  }

  // Cuts an extent for pages of the class. False if no extent is left. Returns
  // the errors of the heap.
  absl::StatusOr<bool> Cut(const region::Thread& self, uint32_t page_class);
  // Makes the caller the drainer of the frames from `keep` on, until Retire or
  // EndDrain. False if another thread drains the extent, if the extent is not
  // cut as `now` says, or if its class would not have `leaves` frames left.
  bool BeginDrain(const region::Thread& self, uint32_t extent,
                  const CutWord& now, uint64_t keep, uint64_t leaves);
  void EndDrain(const region::Thread& self, uint32_t extent);
  // Retires the frames of an extent from `keep` on, the whole extent if `keep`
  // is 0. False if the extent was extended since `drained` was read.
  // REQUIRES: the frames to retire are LOADING in the caller's name, and in no
  // slot.
  bool Retire(const region::Thread& self, uint32_t extent,
              const CutWord& drained, uint64_t keep);
  // True if the class has at least `frames` frames. Frames of the extent `but`
  // and of extents that are being drained do not count.
  bool HasAtLeast(uint64_t frames, uint32_t page_class,
           std::optional<uint32_t> but) const;
  // True if the class has fewer frames than a file needs.
  bool IsBelowMinimum(uint32_t page_class) const;
  uint64_t MinFrames(uint32_t page_class) const {
    return std::min<uint64_t>(kMinFrames, PerExtent(page_class));
  }
  // Ends the drains of dead threads: their extents are as before. Does not
  // wait.
  void ReleaseDrained(const std::function<bool(uint32_t)>& is_dead);
  // Sets the size of the cache. Cut extents then have all their frames in it.
  // REQUIRES: memory and headers for the frames.
  void SetCacheBytes(const region::Thread& self, uint64_t bytes);
  // Makes the missing headers for the extents of such a cache. Returns the
  // errors of the heap.
  absl::Status MakeHeaders(const region::Thread& self, uint64_t cache_bytes);

  // Returns a free frame, now LOADING in the caller's name, or nullptr if the
  // free queue is empty.
  BufferHeader* TakeFree(const region::Thread& self, uint32_t page_class);
  // Turns a FREE frame LOADING. This CAS is the allocation. False if the frame
  // is not FREE or no longer has this page size.
  bool TryTake(const region::Thread& self, BufferHeader& header,
               uint32_t page_class);
  // Turns a LOADING frame FREE and links it into the free queue.
  void GiveBack(const region::Thread& self, BufferHeader& header);
  // Links a FREE frame into the free queue.
  void PushFree(const region::Thread& self, BufferHeader& header);

  // Return the number of extents in the ring of a class, the number of
  // positions in the ring, and the extent or frame at a position. AtPosition
  // returns nullptr where an extent is short, or if the extent was just given
  // to another class.
  uint32_t RingExtents(uint32_t page_class) const {
    return std::min(pool_->classes[page_class].extents.load(
                        std::memory_order_acquire),
                    pool_->extent_count);
  }
  uint64_t RingSize(uint32_t page_class) const {
    return RingExtents(page_class) * PerExtent(page_class);
  }
  uint64_t PerExtent(uint32_t page_class) const {
    return pool_->extent_bytes / ClassBytes(page_class);
  }
  uint32_t ExtentAt(uint32_t page_class, uint32_t place) const {
    return RingSlot(page_class, place).load(std::memory_order_relaxed);
  }
  BufferHeader* AtPosition(uint32_t page_class, uint64_t position) const;

  template <class F>
  void ForEachHeader(F&& visit) const;
  // Also visits headers of extents that are now cut for another size, or not
  // cut.
  template <class F>
  void ForEachHeaderMade(F&& visit) const;

  // QueueOf returns a queue of the header's class. Link and Unlink change it.
  // REQUIRES: the queue latch of the header's class.
  FrameQueue& QueueOf(const BufferHeader& header, Queue queue) const;
  void Link(BufferHeader& header, Queue queue, bool at_front);
  void Unlink(BufferHeader& header);

  // RebuildRings and RelinkAll rebuild the data that is derived from the
  // extents and from the phases of the headers. No other process is attached.
  void RebuildRings();
  void RelinkAll(bool ordered);

  // Rebuilds the rings from the extents if a dead thread was cutting, and the
  // queues from the headers. Takes over latches of dead owners. Waits for live
  // owners of queue latches. `ordered`: the policy keeps VALID frames in a
  // queue.
  void Rebuild(const region::Thread& self,
               const std::function<bool(uint32_t)>& is_dead,
               bool ordered, uint64_t* latches);

 private:
  static uint32_t BlockOf(uint32_t page_class) {
    return std::min(page_class, kHeaderBlocks - 1);
  }
  // Returns the number of headers in a block of an extent: one for each of its
  // smallest pages.
  uint64_t HeadersIn(uint32_t block) const { return PerExtent(block); }
  absl::Status CheckPlaces(region::Reachable* reached) const;
  absl::Status CheckExtent(uint32_t extent, region::Reachable* reached) const;
  bool IsCutRight(uint32_t extent, uint64_t word, uint64_t cache,
                  uint64_t backed) const;
  bool IsEmpty(uint32_t extent) const;
  absl::Status MakeBlock(const region::Thread& self, uint32_t extent,
                         uint32_t page_class);
  void Extend(const region::Thread& self, uint32_t extent, uint64_t bytes);
  uint32_t FindUncut(uint32_t page_class, uint64_t* frames) const;
  void Place(uint32_t extent, uint32_t page_class, uint64_t from,
             uint64_t to);
  void Open(const region::Thread& self, uint32_t extent, uint64_t from);
  void TakeOut(const region::Thread& self, uint32_t extent, uint64_t keep);
  void AddToRing(uint32_t extent, uint32_t page_class, uint32_t n);
  void RemoveFromRing(uint32_t extent, uint32_t page_class);
  void LinkAtRest(BufferHeader& header, bool ordered);
  static void LeaveLoading(BufferHeader& header, bool retired);
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
    const CutWord now = cut(i);
    if (now.is_cut()) visit(i, now, HeadersOf(i, now.page_class));
  }
}

template <class F>
void FrameTable::ForEachHeader(F&& visit) const {
  ForEachExtent([&](uint32_t, CutWord now, BufferHeader* first) {
    for (uint64_t i = 0; i < now.frames; ++i) visit(first[i]);
  });
}

template <class F>
void FrameTable::ForEachHeaderMade(F&& visit) const {
  const uint32_t used = std::min(
      pool_->extents_used.load(std::memory_order_acquire),
      pool_->extent_count);
  for (uint32_t i = 0; i < used; ++i) {
    for (uint32_t block = 0; block < kHeaderBlocks; ++block) {
      if (extents_[i].headers[block].load(std::memory_order_acquire) == 0) {
        continue;
      }
      BufferHeader* first = HeadersOf(i, block);
      for (uint64_t n = 0; n < HeadersIn(block); ++n) visit(first[n]);
    }
  }
}

}  // namespace mpool::internal

#endif  // MPOOL_MPOOL_MEMORY_FRAMES_H_
