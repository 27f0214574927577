// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// frames.h - the cache's memory: extents, cut into frames of one page size,
// their buffer headers, and the queues of free frames.
//
// The page memory is the tail of the region's address space, as long as the
// largest cache; of it, [0, cache) is used. Extent i is its i-th piece. The
// tables of extents and rings are made for the largest cache at once.
//
// Concurrency: whoever cuts or retires takes the extents latch; the queues take
//              the queue latch of their page class.
// Invariants:  F1 a header is never anything else and its version never falls,
//              also while its extent is cut for another page size, whose
//              frames have other headers or the same.
//              F2 the free queue is a hint: the CAS FREE -> LOADING is the
//              allocation. A frame that is FREE and in no queue is found again
//              by the next rebuild.
//              F3 an extent's class and number of frames are one word. A frame
//              leaves it RETIRED: first LOADING in the name of who retires it,
//              so that nobody holds it or its page.
//              F4 a header is linked, and its class changes, under the queue
//              latch of the class that it has.
//              F5 no frame beyond `cache` is cut; `backed` is never below what
//              may have memory.
// Crash:       an extent is as its word says; frames in it that are RETIRED
//              become FREE. Rings and queues are derived.
// Lock rank:   kExtents, then kQueue; the heap latch may be taken under the
//              first.

#ifndef MPOOL_MPOOL_FRAMES_H_
#define MPOOL_MPOOL_FRAMES_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
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
  std::atomic<uint64_t> turned;  // victims since the sizes were balanced
};
static_assert(sizeof(ClassHeader) == 64);

// Headers of pages of 4 KiB or more are the same ones, each size smaller has
// its own: made when they are first needed, and kept.
inline constexpr uint32_t kHeaderBlocks = 4;

// SHARED
struct Extent {
  std::atomic<uint64_t> word;  // a CutWord; 0 = not cut
  std::atomic<uint64_t> headers[kHeaderBlocks];  // region offsets
};
static_assert(sizeof(Extent) == 40);

// How an extent is cut: frames 32 | drainer 12 | page class + 1 8.
struct CutWord {
  uint32_t page_class = 0;
  uint64_t frames = 0;
  uint32_t drainer = 0;  // thread that takes its frames out of use, or 0

  static CutWord Unpack(uint64_t word) {
    return {static_cast<uint32_t>(word & 0xff) - 1, word >> 32,
            static_cast<uint32_t>(word >> 8) & 0xfff};
  }
  uint64_t Pack() const {
    return frames << 32 | uint64_t{drainer} << 8 | (page_class + 1);
  }
  bool is_cut() const { return page_class < kPageClasses; }
};

// A number of bytes, in units of 512, and a check of them: such a word cannot
// be told from the rest of the region.
inline uint64_t SealSize(uint64_t bytes) {
  const uint64_t units = bytes / kMinPageBytes;
  return units << 24 | (units * 0x9e3779b97f4a7c15 >> 40 ^ 0x5a5a5a);
}
inline uint64_t SizeIn(uint64_t word) { return (word >> 24) * kMinPageBytes; }

// What the pool puts first into a region. SHARED
struct PoolHeader {
  std::atomic<uint64_t> cache;   // sealed: page bytes in use
  std::atomic<uint64_t> backed;  // sealed: page bytes with memory, at most
  std::atomic<uint64_t> extents;   // Extent[extent_count]
  std::atomic<uint64_t> rings;     // uint32[kPageClasses][extent_count]
  uint32_t extent_bytes;
  uint32_t extent_count;           // of the largest cache
  std::atomic<uint64_t> buckets;
  std::atomic<uint32_t> bucket_count;
  std::atomic<uint32_t> extents_used;  // those behind were never cut
  region::Latch extents_latch;
  region::Latch files_latch;
  std::atomic<uint32_t> files_used;  // entries ever in use
  std::atomic<uint32_t> resizer;  // thread that resizes the cache, or 0
  uint64_t pad[7];
  ClassHeader classes[kPageClasses];
  std::atomic<uint64_t> file_blocks[kMaxFiles / 64];
};
static_assert(sizeof(PoolHeader) == 128 + 512 + 512);

// How a cache that has this size at its creation is cut.
uint64_t ExtentBytes(uint64_t cache_bytes);

// Sets the sizes of a region for such a cache.
void SizeRegion(uint64_t cache_bytes, uint64_t max_cache_bytes,
                region::RegionOptions* options);

class FrameTable {
 public:
  explicit FrameTable(region::Region& region) : region_(region) {}

  // Whether extents and headers are where and what they must be, and attaches
  // to them; see region::Tenant::Check.
  absl::Status Check(region::Reachable* reached);
  // Makes extents, headers and frames in a new region and leads its root to
  // them.
  absl::Status Format(const region::Thread& self);
  // Finds them in a region that has them.
  void Attach();
  bool IsAttached() const { return pool_ != nullptr; }

  PoolHeader& pool() const { return *pool_; }
  ClassHeader& page_class(uint32_t c) const { return pool_->classes[c]; }
  // Page bytes, and those at most that have memory: more while a resize is
  // under way, or was left so.
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
  uint64_t memory() const { return region_.fixed().heap_limit; }
  // Extents that such a cache has, the last one perhaps in part.
  uint32_t ExtentsOf(uint64_t cache_bytes) const {
    return static_cast<uint32_t>(
        (cache_bytes + pool_->extent_bytes - 1) / pool_->extent_bytes);
  }
  // Frames of the class that an extent has in such a cache.
  uint64_t FramesOf(uint32_t extent, uint32_t page_class,
                    uint64_t cache_bytes) const;
  CutWord cut(uint32_t extent) const {
    return CutWord::Unpack(
        extents_[extent].word.load(std::memory_order_acquire));
  }
  // Of an extent that is cut for the class, or was.
  BufferHeader* HeadersOf(uint32_t extent, uint32_t page_class) const {
    return region_.At<BufferHeader>(
        extents_[extent].headers[BlockOf(page_class)].load(
            std::memory_order_acquire));
  }

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

  // Cuts an extent for pages of the class. False if there is none left.
  absl::StatusOr<bool> Cut(const region::Thread& self, uint32_t page_class);
  // The caller is the one who takes frames from `keep` on out of use, until
  // Retire or EndDrain. False if another one is, if the extent is not cut as
  // `now` says, or if its class would not have `leaves` frames left.
  bool BeginDrain(const region::Thread& self, uint32_t extent,
                  const CutWord& now, uint64_t keep, uint64_t leaves);
  void EndDrain(const region::Thread& self, uint32_t extent);
  // Takes the frames from `keep` on out of an extent, all of it if that is 0.
  // False if it was extended since it was cut as `drained` says.
  // REQUIRES: those of `drained` are LOADING in the caller's name, and in no
  // slot.
  bool Retire(const region::Thread& self, uint32_t extent,
              const CutWord& drained, uint64_t keep);
  // Whether the class has so many frames, those of the extent `but` and of
  // extents that are drained left out; and whether it has fewer than a file
  // needs.
  bool Has(uint64_t frames, uint32_t page_class,
           std::optional<uint32_t> but) const;
  bool IsShort(uint32_t page_class) const;
  uint64_t Enough(uint32_t page_class) const {
    return std::min<uint64_t>(kMinFrames, PerExtent(page_class));
  }
  // Repair: extents that the dead drained are as before. Waits for nothing.
  void ReleaseDrained(const std::function<bool(uint32_t)>& is_dead);
  // The cache has that size from now on; extents that are cut have all their
  // frames in it. REQUIRES: memory and headers for them.
  void SetCacheBytes(const region::Thread& self, uint64_t bytes);
  // Makes headers for the extents of such a cache, as far as they have none.
  absl::Status MakeHeaders(const region::Thread& self, uint64_t cache_bytes);

  // A free frame, LOADING in the caller's name; nullptr if none is known.
  BufferHeader* TakeFree(const region::Thread& self, uint32_t page_class);
  // FREE -> LOADING; this CAS is the allocation. False also if the frame has
  // another page size by now.
  bool TryTake(const region::Thread& self, BufferHeader& header,
               uint32_t page_class);
  // LOADING -> FREE, and into the queue.
  void GiveBack(const region::Thread& self, BufferHeader& header);
  // Puts a frame that is FREE into the queue.
  void PushFree(const region::Thread& self, BufferHeader& header);

  // Extents in the ring of a class, positions in it, and the frame at one;
  // nullptr where an extent is short, or was given to another class just now.
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
  // Also those of extents that are cut otherwise by now, or not at all.
  template <class F>
  void ForEachHeaderMade(F&& visit) const;

  // Queue surgery; REQUIRES the queue latch of the header's class.
  FrameQueue& QueueOf(const BufferHeader& header, Queue queue) const;
  void Link(BufferHeader& header, Queue queue, bool at_front);
  void Unlink(BufferHeader& header);

  // Nobody else is attached: what is derived from the extents and from the
  // phases of the headers.
  void RebuildRings();
  void LinkAnew(bool ordered);

  // Repair: rings from the extents if a dead thread was cutting, queues from
  // the headers. Takes the latches from dead owners, and waits for those of
  // the queues. `ordered`: the policy keeps VALID frames in a queue.
  void Rebuild(const region::Thread& self,
               const std::function<bool(uint32_t)>& is_dead,
               bool ordered, uint64_t* latches);

 private:
  static uint32_t BlockOf(uint32_t page_class) {
    return std::min(page_class, kHeaderBlocks - 1);
  }
  // Headers in a block of an extent: those of its smallest pages.
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

#endif  // MPOOL_MPOOL_FRAMES_H_
