// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "mpool/frames.h"

#include <algorithm>
#include <cstring>

#include "os/status.h"
#include "os/step.h"

namespace mpool::internal {
namespace {

using region::LatchGuard;
using region::LockRank;

constexpr uint64_t kMinExtentBytes = uint64_t{64} << 10;
constexpr uint64_t kMaxExtentBytes = uint64_t{2} << 20;
// From here on frames start at a huge page's boundary; below, the gap would
// cost more than it brings.
constexpr uint64_t kAlignFrom = uint64_t{256} << 20;
// Room in a new region for what comes by and by: threads, files, overflow.
constexpr uint64_t kSpareBytes = uint64_t{96} << 10;

uint64_t RoundUp(uint64_t value, uint64_t unit) {
  return (value + unit - 1) / unit * unit;
}

uint64_t FrameAlignment(uint64_t cache_bytes) {
  return cache_bytes >= kAlignFrom ? kMaxExtentBytes : kHeaderPageBytes;
}

State Freed(State s) {
  return s.Bare().WithPhase(Phase::kFree);
}

}  // namespace

uint64_t ExtentBytes(uint64_t cache_bytes) {
  return std::clamp(cache_bytes / 32 / kMinExtentBytes * kMinExtentBytes,
                    kMinExtentBytes, kMaxExtentBytes);
}

uint64_t ExtentCount(uint64_t cache_bytes) {
  const uint64_t size = ExtentBytes(cache_bytes);
  return (cache_bytes + size - 1) / size;
}

PoolSize SizeOfPool(uint64_t cache_bytes) {
  const uint64_t extents = ExtentCount(cache_bytes);
  const uint64_t headers =
      LargePageHeaders(cache_bytes) * sizeof(BufferHeader);
  const uint64_t tables = sizeof(region::RegionHeader) + sizeof(PoolHeader) +
                          extents * (sizeof(Extent) + kPageClasses * 4) +
                          headers + headers / 3 + kSpareBytes;
  PoolSize size;
  size.region_bytes =
      RoundUp(tables, FrameAlignment(cache_bytes)) +
      RoundUp(cache_bytes, kHeaderPageBytes);
  // Pages of 512 bytes need eight times the headers and buckets, and a hash
  // that was made for larger pages stays beside the new one.
  size.reserved_bytes = RoundUp(
      size.region_bytes + 9 * (headers + headers / 2) +
          uint64_t{kMaxThreads} * 2 * sizeof(region::ThreadSlot) +
          (uint64_t{64} << 20),
      kMaxExtentBytes);
  return size;
}

absl::Status FrameTable::Format(const region::Thread& self,
                                uint64_t cache_bytes) {
  region::Shalloc& heap = region_.heap();
  // First, so that the frames are the tail of the region and its tables the
  // front, where frame indexes reach.
  MPOOL_ASSIGN_OR_RETURN(
      const uint64_t frames,
      heap.Allocate(self, RoundUp(cache_bytes, kHeaderPageBytes),
                    FrameAlignment(cache_bytes)));
  MPOOL_RETURN_IF_ERROR(heap.AllocateLinked(self, sizeof(PoolHeader), 64,
                                            &region_.header()->root)
                            .status());
  pool_ = region_.At<PoolHeader>(region_.header()->root.load());
  pool_->cache_bytes = cache_bytes;
  pool_->extent_bytes = static_cast<uint32_t>(ExtentBytes(cache_bytes));
  pool_->extent_count = static_cast<uint32_t>(ExtentCount(cache_bytes));
  // quiet: a region without magic is nobody's yet.
  pool_->frames.store(frames);
  heap.Publish(frames);
  const uint64_t extents = pool_->extent_count;
  MPOOL_RETURN_IF_ERROR(heap.AllocateLinked(self, extents * sizeof(Extent), 64,
                                            &pool_->extents)
                            .status());
  MPOOL_RETURN_IF_ERROR(heap.AllocateLinked(self, extents * kPageClasses * 4,
                                            64, &pool_->rings)
                            .status());
  const uint64_t headers = LargePageHeaders(cache_bytes);
  MPOOL_RETURN_IF_ERROR(heap.AllocateLinked(self,
                                            headers * sizeof(BufferHeader), 64,
                                            &pool_->headers)
                            .status());
  Attach();
  for (uint64_t i = 0; i < extents; ++i) {
    const uint64_t begin = i * pool_->extent_bytes;
    extents_[i].offset = frames + begin;
    extents_[i].size_bytes = static_cast<uint32_t>(
        std::min<uint64_t>(pool_->extent_bytes, cache_bytes - begin));
  }
  return absl::OkStatus();
}

void FrameTable::Attach() {
  pool_ = region_.At<PoolHeader>(
      region_.header()->root.load(std::memory_order_acquire));
  extents_ =
      region_.At<Extent>(pool_->extents.load(std::memory_order_acquire));
  rings_ = region_.At<std::atomic<uint32_t>>(
      pool_->rings.load(std::memory_order_acquire));
}

bool FrameTable::IsHeader(FrameIndex frame) const {
  bool found = false;
  const uint64_t at = uint64_t{frame} * kLineBytes;
  ForEachExtent([&](const Extent& extent, const BufferHeader* first) {
    const uint64_t begin = region_.OffsetOf(first);
    found = found || (begin <= at &&
                      at < begin + extent.frames.load() * kLineBytes);
  });
  return found;
}

absl::Status FrameTable::MakeHeaders(const region::Thread& self,
                                     uint32_t index, uint32_t page_class,
                                     uint64_t frames) {
  Extent& extent = extents_[index];
  const uint64_t page_bytes = ClassBytes(page_class);
  if (page_bytes >= kHeaderPageBytes) {
    const uint64_t own = HeadersOfLarge(index);
    // A cutter that died may have left some for small pages.
    if (extent.headers.load(std::memory_order_relaxed) != own) {
      region_.heap().FreeLinked(self, &extent.headers, own);
    }
  } else {
    const uint64_t need = frames * sizeof(BufferHeader);
    const uint64_t left = extent.headers.load(std::memory_order_relaxed);
    // A cutter that died may have left headers for fewer frames, or those of
    // large pages, which are not this extent's alone.
    const bool is_own = left != HeadersOfLarge(index);
    if (!is_own || region_.heap().SizeOf(left) < need) {
      MPOOL_RETURN_IF_ERROR(
          region_.heap()
              .AllocateLinked(self, need, kLineBytes, &extent.headers,
                              /*prepare=*/nullptr, is_own ? left : 0)
              .status());
    }
  }
  MPOOL_STEP("mpool.extent.headers");
  BufferHeader* first = region_.At<BufferHeader>(extent.headers.load());
  for (uint64_t i = 0; i < frames; ++i) {
    // Whatever stands there: nobody has had these frames yet.
    std::memset(static_cast<void*>(&first[i]), 0, sizeof(first[i]));
    first[i].place.store((extent.offset + i * page_bytes) << 8 | page_class,
                         std::memory_order_relaxed);
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> FrameTable::Cut(const region::Thread& self,
                                     uint32_t page_class) {
  LatchGuard guard(pool_->extents_latch, self.id, region_.watch(),
                   LockRank::kExtents);
  const uint32_t index = pool_->extents_used.load(std::memory_order_relaxed);
  if (index >= pool_->extent_count) return false;
  Extent& extent = extents_[index];
  const uint64_t frames = extent.size_bytes / ClassBytes(page_class);
  if (frames == 0) return false;
  MPOOL_RETURN_IF_ERROR(MakeHeaders(self, index, page_class, frames));
  extent.frames.store(frames, std::memory_order_relaxed);
  extent.page_class.store(page_class + 1, std::memory_order_release);
  MPOOL_STEP("mpool.extent.cut");
  pool_->extents_used.store(index + 1, std::memory_order_release);
  MPOOL_STEP("mpool.extent.used");
  ClassHeader& c = pool_->classes[page_class];
  const uint32_t ring = c.extents.load(std::memory_order_relaxed);
  AddToRing(index, page_class, ring);
  c.extents.store(ring + 1, std::memory_order_release);
  MPOOL_STEP("mpool.extent.ringed");
  BufferHeader* first = region_.At<BufferHeader>(extent.headers.load());
  LatchGuard queue(c.queue_latch, self.id, region_.watch(), LockRank::kQueue);
  for (uint64_t i = 0; i < frames; ++i) {
    if (first[i].Load().phase() == Phase::kFree &&
        first[i].queue.load() == static_cast<uint32_t>(Queue::kNone)) {
      Link(first[i], Queue::kFree, /*at_front=*/false);
    }
  }
  MPOOL_STEP("mpool.extent.queued");
  return true;
}

void FrameTable::AddToRing(uint32_t index, uint32_t page_class, uint32_t n) {
  const uint64_t per_extent = pool_->extent_bytes / ClassBytes(page_class);
  BufferHeader* first = region_.At<BufferHeader>(
      extents_[index].headers.load(std::memory_order_relaxed));
  const uint64_t frames =
      extents_[index].frames.load(std::memory_order_relaxed);
  for (uint64_t i = 0; i < frames; ++i) {
    first[i].position.store(static_cast<uint32_t>(n * per_extent + i),
                            std::memory_order_relaxed);
  }
  RingSlot(page_class, n).store(index, std::memory_order_relaxed);
}

uint64_t FrameTable::RingSize(uint32_t page_class) const {
  return uint64_t{pool_->classes[page_class].extents.load(
             std::memory_order_acquire)} *
         (pool_->extent_bytes / ClassBytes(page_class));
}

BufferHeader* FrameTable::AtPosition(uint32_t page_class,
                                     uint64_t position) const {
  const uint64_t per_extent = pool_->extent_bytes / ClassBytes(page_class);
  const uint32_t index =
      RingSlot(page_class, static_cast<uint32_t>(position / per_extent))
          .load(std::memory_order_relaxed);
  const Extent& extent = extents_[index];
  const uint64_t i = position % per_extent;
  if (i >= extent.frames.load(std::memory_order_relaxed)) return nullptr;
  return region_.At<BufferHeader>(
             extent.headers.load(std::memory_order_relaxed)) + i;
}

bool FrameTable::TryTake(const region::Thread& self, BufferHeader& header) {
  State seen = header.Load();
  if (seen.phase() != Phase::kFree) return false;
  MPOOL_STEP("mpool.frame.take");
  if (!header.Change(&seen,
                     seen.WithPhase(Phase::kLoading).WithOwner(self.id))) {
    return false;
  }
  MPOOL_STEP("mpool.frame.taken");
  return true;
}

BufferHeader* FrameTable::TakeFree(const region::Thread& self,
                                   uint32_t page_class) {
  ClassHeader& c = pool_->classes[page_class];
  while (true) {
    BufferHeader* found = nullptr;
    {
      LatchGuard guard(c.queue_latch, self.id, region_.watch(),
                       LockRank::kQueue);
      const FrameIndex head = c.free.head.load(std::memory_order_relaxed);
      if (head == 0) return nullptr;
      found = &header(head);
      MPOOL_STEP("mpool.queue.pop");
      Unlink(*found);
      MPOOL_STEP("mpool.queue.popped");
    }
    if (TryTake(self, *found)) return found;
  }
}

void FrameTable::GiveBack(const region::Thread& self, BufferHeader& header) {
  State seen = header.Load();
  MPOOL_STEP("mpool.frame.free");
  while (!header.Change(&seen, Freed(seen))) {
  }
  MPOOL_STEP("mpool.frame.freed");
  PushFree(self, header);
}

void FrameTable::PushFree(const region::Thread& self, BufferHeader& header) {
  LatchGuard guard(pool_->classes[header.page_class()].queue_latch, self.id,
                   region_.watch(), LockRank::kQueue);
  if (header.queue.load() != static_cast<uint32_t>(Queue::kNone)) {
    Unlink(header);
  }
  Link(header, Queue::kFree, /*at_front=*/false);
}

FrameQueue& FrameTable::QueueOf(const BufferHeader& header,
                                Queue queue) const {
  ClassHeader& c = pool_->classes[header.page_class()];
  return queue == Queue::kFree ? c.free : c.order;
}

void FrameTable::Link(BufferHeader& header, Queue queue, bool at_front) {
  FrameQueue& ends = QueueOf(header, queue);
  const FrameIndex me = IndexOf(header);
  std::atomic<uint32_t>& near_end = at_front ? ends.head : ends.tail;
  const FrameIndex neighbour = near_end.load(std::memory_order_relaxed);
  header.next.store(at_front ? neighbour : 0, std::memory_order_relaxed);
  header.prev.store(at_front ? 0 : neighbour, std::memory_order_relaxed);
  header.queue.store(static_cast<uint32_t>(queue), std::memory_order_relaxed);
  MPOOL_STEP("mpool.queue.link");
  if (neighbour == 0) {
    ends.head.store(me, std::memory_order_relaxed);
    ends.tail.store(me, std::memory_order_relaxed);
    return;
  }
  BufferHeader& other = this->header(neighbour);
  (at_front ? other.prev : other.next).store(me, std::memory_order_relaxed);
  MPOOL_STEP("mpool.queue.half_linked");
  near_end.store(me, std::memory_order_relaxed);
}

void FrameTable::Unlink(BufferHeader& header) {
  const Queue queue =
      static_cast<Queue>(header.queue.load(std::memory_order_relaxed));
  FrameQueue& ends = QueueOf(header, queue);
  const FrameIndex next = header.next.load(std::memory_order_relaxed);
  const FrameIndex prev = header.prev.load(std::memory_order_relaxed);
  (prev == 0 ? ends.head : this->header(prev).next)
      .store(next, std::memory_order_relaxed);
  MPOOL_STEP("mpool.queue.half_unlinked");
  (next == 0 ? ends.tail : this->header(next).prev)
      .store(prev, std::memory_order_relaxed);
  header.next.store(0, std::memory_order_relaxed);
  header.prev.store(0, std::memory_order_relaxed);
  header.queue.store(static_cast<uint32_t>(Queue::kNone),
                     std::memory_order_relaxed);
}

// Frames that no queue knows are linked again. `anew`: the links cannot be
// trusted, and the order in which pages were used is lost with them.
void FrameTable::RebuildClass(uint32_t page_class, bool ordered, bool anew) {
  ClassHeader& c = pool_->classes[page_class];
  if (anew) {
    for (FrameQueue* queue : {&c.free, &c.order}) {
      queue->head.store(0, std::memory_order_relaxed);
      queue->tail.store(0, std::memory_order_relaxed);
    }
    ForEachHeader([&](BufferHeader& header) {
      if (header.page_class() != page_class) return;
      header.queue.store(static_cast<uint32_t>(Queue::kNone),
                         std::memory_order_relaxed);
    });
  }
  ForEachHeader([&](BufferHeader& header) {
    if (header.page_class() != page_class ||
        header.queue.load(std::memory_order_relaxed) !=
            static_cast<uint32_t>(Queue::kNone)) {
      return;
    }
    const Phase phase = header.Load().phase();
    if (phase == Phase::kFree) {
      Link(header, Queue::kFree, false);
    } else if (ordered && phase != Phase::kLoading) {
      Link(header, Queue::kReplacement, false);
    }
  });
}

// The ring of a class is its extents in the order in which they were cut:
// making it again changes nothing that a living thread looks at.
// quiet below: its callers pass steps.
void FrameTable::RebuildRings() {
  uint32_t ring[kPageClasses] = {};
  const uint32_t used = pool_->extents_used.load(std::memory_order_acquire);
  for (uint32_t i = 0; i < used; ++i) {
    const uint32_t c = extents_[i].page_class.load() - 1;
    if (c < kPageClasses) AddToRing(i, c, ring[c]++);
  }
  for (uint32_t i = 0; i < kPageClasses; ++i) {
    pool_->classes[i].extents.store(ring[i], std::memory_order_release);
  }
}

void FrameTable::Rebuild(const region::Thread& self,
                         const std::function<bool(uint32_t)>& is_dead,
                         bool ordered, uint64_t* latches) {
  region::Latch& extents = pool_->extents_latch;
  const uint32_t cutter = extents.owner();
  if (is_dead(cutter) &&
      extents.TakeOver(cutter, self.id, LockRank::kExtents)) {
    RebuildRings();
    ++*latches;
    extents.Unlock(self.id, LockRank::kExtents);
  }
  MPOOL_STEP("mpool.repair.rings");
  for (uint32_t i = 0; i < kPageClasses; ++i) {
    region::Latch& latch = pool_->classes[i].queue_latch;
    const uint32_t owner = latch.owner();
    const bool anew =
        is_dead(owner) && latch.TakeOver(owner, self.id, LockRank::kQueue);
    if (anew) {
      ++*latches;
    } else {
      latch.Lock(self.id, region_.watch(), LockRank::kQueue);
    }
    RebuildClass(i, ordered, anew);
    MPOOL_STEP("mpool.repair.queue");
    latch.Unlock(self.id, LockRank::kQueue);
  }
}

}  // namespace mpool::internal
