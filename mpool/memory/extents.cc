// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// extents.cc - cuts the page memory into frames, and retires the frames.

#include <algorithm>

#include "mpool/memory/frames.h"
#include "mpool/page/hash_table.h"
#include "os/round.h"
#include "os/status.h"
#include "os/step.h"

namespace mpool::internal {
namespace {

using region::LatchGuard;

constexpr uint64_t kMinExtentBytes = uint64_t{64} << 10;
constexpr uint64_t kMaxExtentBytes = uint64_t{2} << 20;
constexpr uint32_t kLargeClass = kHeaderBlocks - 1;
// Room in a new region for later threads, files and overflow lines.
constexpr uint64_t kSpareBytes = uint64_t{96} << 10;
// Heap overhead of a chunk and its alignment.
constexpr uint64_t kChunkBytes = 2 * kLineBytes;

}  // namespace

uint64_t ExtentBytes(uint64_t cache_bytes) {
  return std::clamp(cache_bytes / 32 / kMinExtentBytes * kMinExtentBytes,
                    kMinExtentBytes, kMaxExtentBytes);
}

void SizeRegion(uint64_t cache_bytes, uint64_t max_cache_bytes,
                region::RegionOptions* options) {
  const uint64_t extent_bytes = ExtentBytes(cache_bytes);
  const uint64_t most =
      os::RoundUp(max_cache_bytes, extent_bytes) / extent_bytes;
  const uint64_t now = os::RoundUp(cache_bytes, extent_bytes) / extent_bytes;
  const uint64_t headers =
      extent_bytes / os::kSystemPage * sizeof(BufferHeader);
  const uint64_t buckets =
      HashTable::BucketsFor(max_cache_bytes / os::kSystemPage) * sizeof(Bucket);
  const uint64_t tables =
      sizeof(region::RegionHeader) + sizeof(PoolHeader) +
      most * (sizeof(Extent) + kPageClasses * sizeof(uint32_t)) +
      now * (headers + kChunkBytes) + buckets + kSpareBytes;
  options->cache_bytes = cache_bytes;
  options->max_cache_bytes = max_cache_bytes;
  options->size_bytes = os::RoundUp(tables);
  // An extent may need headers of all four kinds, 8 + 4 + 2 + 1. A hash table
  // for pages of 512 bytes is eight times as large, and the old table stays
  // beside it.
  options->heap_limit = os::RoundUp(
      options->size_bytes + 15 * most * headers + 9 * buckets +
          most * kHeaderBlocks * kChunkBytes +
          uint64_t{kMaxThreads} * 2 * sizeof(region::ThreadSlot) +
          (uint64_t{64} << 20),
      kMaxExtentBytes);
  options->tail_bytes = os::RoundUp(cache_bytes);
  options->reserved_bytes =
      options->heap_limit + os::RoundUp(max_cache_bytes);
}

absl::Status FrameTable::Format(const region::Thread& self) {
  region::Shalloc& heap = region_.memory().heap();
  const uint64_t cache_bytes = region_.memory().fixed().cache_bytes;
  const auto extents =
      static_cast<uint32_t>((region_.memory().fixed().max_cache_bytes +
                             ExtentBytes(cache_bytes) - 1) /
                            ExtentBytes(cache_bytes));
  MPOOL_RETURN_IF_ERROR(heap.AllocateLinked(self, sizeof(PoolHeader), 64,
                                            &region_.memory().header()->root)
                            .status());
  pool_ =
      region_.memory().At<PoolHeader>(region_.memory().header()->root.load());
  pool_->extent_bytes = static_cast<uint32_t>(ExtentBytes(cache_bytes));
  pool_->extent_count = extents;
  // no step: no process attaches to a region without magic.
  pool_->cache.store(SealSize(cache_bytes));
  // no step: as above.
  pool_->backed.store(SealSize(cache_bytes));
  MPOOL_RETURN_IF_ERROR(heap.AllocateLinked(self, extents * sizeof(Extent), 64,
                                            &pool_->extents)
                            .status());
  MPOOL_RETURN_IF_ERROR(heap.AllocateLinked(self, extents * kPageClasses * 4,
                                            64, &pool_->rings)
                            .status());
  Attach();
  MPOOL_RETURN_IF_ERROR(
      region_.memory().PrepareMemory(memory(), os::RoundUp(cache_bytes)));
  return MakeHeaders(self, cache_bytes);
}

void FrameTable::Attach() {
  pool_ = region_.memory().At<PoolHeader>(
      region_.memory().header()->root.load(std::memory_order_acquire));
  extents_ = region_.memory().At<Extent>(
      pool_->extents.load(std::memory_order_acquire));
  rings_ = region_.memory().At<std::atomic<uint32_t>>(
      pool_->rings.load(std::memory_order_acquire));
}

uint64_t FrameTable::FramesOf(uint32_t extent, uint32_t page_class,
                              uint64_t cache_bytes) const {
  const uint64_t begin = uint64_t{extent} * pool_->extent_bytes;
  if (cache_bytes <= begin) return 0;
  return std::min<uint64_t>(cache_bytes - begin, pool_->extent_bytes) /
         ClassBytes(page_class);
}

bool FrameTable::IsHeader(FrameIndex frame) const {
  bool found = false;
  const uint64_t at = uint64_t{frame} * kLineBytes;
  ForEachExtent([&](uint32_t, CutWord now, const BufferHeader* first) {
    const uint64_t begin = region_.memory().OffsetOf(first);
    found = found || (begin <= at && at < begin + now.frames * kLineBytes);
  });
  return found;
}

absl::Status FrameTable::MakeBlock(const region::Thread& self, uint32_t extent,
                                   uint32_t page_class) {
  const uint32_t block = BlockOf(page_class);
  std::atomic<uint64_t>& place = extents_[extent].headers[block];
  if (place.load(std::memory_order_acquire) != 0) return absl::OkStatus();
  MPOOL_RETURN_IF_ERROR(
      region_.memory().heap()
          .AllocateLinked(self, HeadersIn(block) * sizeof(BufferHeader),
                          kLineBytes, &place)
          .status());
  MPOOL_STEP("mpool.extent.headers");
  return absl::OkStatus();
}

absl::Status FrameTable::MakeHeaders(const region::Thread& self,
                                     uint64_t cache_bytes) {
  const uint32_t count = ExtentsOf(cache_bytes);
  for (uint32_t i = 0; i < count; ++i) {
    MPOOL_RETURN_IF_ERROR(MakeBlock(self, i, kLargeClass));
  }
  return absl::OkStatus();
}

// Returns the extent to cut next, or extent_count if there is none. Stores the
// extent's number of frames.
uint32_t FrameTable::FindUncut(uint32_t page_class, uint64_t* frames) const {
  const uint64_t cache = cache_bytes();
  const uint32_t count = ExtentsOf(cache);
  const uint32_t used = pool_->extents_used.load(std::memory_order_relaxed);
  auto fits = [&](uint32_t extent) {
    *frames = FramesOf(extent, page_class, cache);
    return *frames != 0 && !cut(extent).is_cut();
  };
  // A partial extent comes last, because it lies at the cache's end.
  if (used + 1 < count && fits(used)) return used;
  for (uint32_t i = 0; i < count; ++i) {
    if (fits(i)) return i;
  }
  return pool_->extent_count;
}

// Sets the places of headers.
// REQUIRES: no thread can acquire their frames.
void FrameTable::Place(uint32_t extent, uint32_t page_class, uint64_t from,
                       uint64_t to) {
  BufferHeader* first = HeadersOf(extent, page_class);
  const uint64_t begin = memory() + uint64_t{extent} * pool_->extent_bytes;
  for (uint64_t i = from; i < to; ++i) {
    // no step: the extent does not include the frames yet.
    first[i].place.store((begin + i * ClassBytes(page_class)) << 8 |
                             page_class,
                         std::memory_order_release);
  }
}

// Frees the frames that Place has placed, once the extent includes them.
void FrameTable::Open(const region::Thread& self, uint32_t extent,
                      uint64_t from) {
  const CutWord now = cut(extent);
  BufferHeader* first = HeadersOf(extent, now.page_class);
  for (uint64_t i = from; i < now.frames; ++i) {
    State seen = first[i].Load();
    while (seen.phase() == Phase::kRetired &&
           !first[i].Change(&seen, seen.Bare())) {
    }
  }
  MPOOL_STEP("mpool.extent.opened");
  LatchGuard queue(self, pool_->classes[now.page_class].queue_latch);
  for (uint64_t i = from; i < now.frames; ++i) {
    if (first[i].Load().phase() == Phase::kFree &&
        first[i].queue.load() == static_cast<uint32_t>(Queue::kNone)) {
      Link(first[i], Queue::kFree, /*at_front=*/false);
    }
  }
  MPOOL_STEP("mpool.extent.queued");
}

absl::StatusOr<bool> FrameTable::Cut(const region::Thread& self,
                                     uint32_t page_class) {
  uint32_t cut_now = 0;
  for (uint32_t i = 0; i < kPageClasses; ++i) cut_now += RingExtents(i);
  // Some extents may lie beyond the end of a shrunk cache.
  if (!IsResizing() && cut_now >= ExtentsOf(cache_bytes())) return false;
  LatchGuard guard(self, pool_->extents_latch);
  uint64_t frames = 0;
  const uint32_t extent = FindUncut(page_class, &frames);
  if (extent == pool_->extent_count) return false;
  MPOOL_RETURN_IF_ERROR(MakeBlock(self, extent, page_class));
  Place(extent, page_class, 0, frames);
  if (pool_->extents_used.load(std::memory_order_relaxed) <= extent) {
    pool_->extents_used.store(extent + 1, std::memory_order_release);
  }
  MPOOL_STEP("mpool.extent.used");
  extents_[extent].word.store(CutWord{page_class, frames}.Pack(),
                              std::memory_order_release);
  MPOOL_STEP("mpool.extent.cut");
  ClassHeader& c = pool_->classes[page_class];
  const uint32_t ring = c.extents.load(std::memory_order_relaxed);
  AddToRing(extent, page_class, ring);
  c.extents.store(ring + 1, std::memory_order_release);
  MPOOL_STEP("mpool.extent.ringed");
  Open(self, extent, 0);
  return true;
}

// REQUIRES: the extents latch.
void FrameTable::Extend(const region::Thread& self, uint32_t extent,
                        uint64_t bytes) {
  const CutWord now = cut(extent);
  if (!now.is_cut()) return;
  const uint64_t frames = FramesOf(extent, now.page_class, bytes);
  if (frames <= now.frames) return;
  Place(extent, now.page_class, now.frames, frames);
  BufferHeader* first = HeadersOf(extent, now.page_class);
  const uint32_t position = first[0].position.load(std::memory_order_relaxed);
  for (uint64_t i = now.frames; i < frames; ++i) {
    first[i].position.store(static_cast<uint32_t>(position + i),
                            std::memory_order_relaxed);
  }
  MPOOL_STEP("mpool.extent.placed");
  std::atomic<uint64_t>& word = extents_[extent].word;
  uint64_t seen = word.load(std::memory_order_relaxed);
  // A repairer may clear the drainer at the same time.
  while (!word.compare_exchange_weak(
      seen, CutWord{now.page_class, frames,
                    CutWord::Unpack(seen).drainer}.Pack())) {
  }
  MPOOL_STEP("mpool.extent.extended");
  Open(self, extent, now.frames);
}

// Runs under the extents latch, so that no extent is cut between the extension
// and the new size.
void FrameTable::SetCacheBytes(const region::Thread& self, uint64_t bytes) {
  LatchGuard guard(self, pool_->extents_latch);
  const uint32_t end = ExtentsOf(bytes);
  const auto begin =
      static_cast<uint32_t>(cache_bytes() / pool_->extent_bytes);
  for (uint32_t i = begin; i < end; ++i) Extend(self, i, bytes);
  MPOOL_STEP("mpool.resize.extended");
  pool_->cache.store(SealSize(bytes), std::memory_order_release);
  MPOOL_STEP("mpool.resize.set");
}

// Removes frames from the queues and from their class.
void FrameTable::TakeOut(const region::Thread& self, uint32_t extent,
                         uint64_t keep) {
  const CutWord now = cut(extent);
  BufferHeader* first = HeadersOf(extent, now.page_class);
  {
    LatchGuard queue(self, pool_->classes[now.page_class].queue_latch);
    for (uint64_t i = keep; i < now.frames; ++i) {
      if (first[i].queue.load() != static_cast<uint32_t>(Queue::kNone)) {
        Unlink(first[i]);
      }
      first[i].LeaveClass();
    }
    MPOOL_STEP("mpool.extent.unlinked");
  }
}

bool FrameTable::IsBelowMinimum(uint32_t page_class) const {
  return !HasAtLeast(MinFrames(page_class), page_class, std::nullopt);
}

bool FrameTable::HasAtLeast(uint64_t enough, uint32_t page_class,
                            std::optional<uint32_t> but) const {
  uint64_t frames = 0;
  const uint32_t extents = RingExtents(page_class);
  for (uint32_t n = 0; n < extents && frames < enough; ++n) {
    const uint32_t i = ExtentAt(page_class, n);
    if (i >= pool_->extent_count || i == but) continue;
    const CutWord now = cut(i);
    if (now.page_class == page_class && now.drainer == 0) frames += now.frames;
  }
  return frames >= enough;
}

bool FrameTable::BeginDrain(const region::Thread& self, uint32_t extent,
                            const CutWord& now, uint64_t keep,
                            uint64_t leaves) {
  LatchGuard guard(self, pool_->extents_latch);
  CutWord there = cut(extent);
  if (there.drainer == self.id) return true;
  if (there.Pack() != now.Pack() || there.drainer != 0) return false;
  if (keep < leaves && !HasAtLeast(leaves, now.page_class, extent)) {
    return false;
  }
  there.drainer = self.id;
  extents_[extent].word.store(there.Pack(), std::memory_order_release);
  MPOOL_STEP("mpool.extent.draining");
  return true;
}

void FrameTable::EndDrain(const region::Thread& self, uint32_t extent) {
  LatchGuard guard(self, pool_->extents_latch);
  CutWord there = cut(extent);
  if (there.drainer != self.id) return;
  there.drainer = 0;
  // no step: no thread drains it either way.
  extents_[extent].word.store(there.Pack(), std::memory_order_release);
}

// Works without the extents latch, because the repairer may hold it or wait for
// its holder. The latch is not needed, because only Extend changes such a word
// at the same time.
void FrameTable::ReleaseDrained(const std::function<bool(uint32_t)>& is_dead) {
  ForEachExtent([&](uint32_t extent, CutWord now, BufferHeader*) {
    if (now.drainer == 0 || !is_dead(now.drainer)) return;
    std::atomic<uint64_t>& word = extents_[extent].word;
    uint64_t seen = now.Pack();
    do {
      now = CutWord::Unpack(seen);
      if (now.drainer == 0 || !is_dead(now.drainer)) return;
      now.drainer = 0;
      // no step: no thread drains it either way.
    } while (!word.compare_exchange_weak(seen, now.Pack()));
  });
}

bool FrameTable::Retire(const region::Thread& self, uint32_t extent,
                        const CutWord& drained, uint64_t keep) {
  LatchGuard guard(self, pool_->extents_latch);
  const CutWord now = cut(extent);
  if (now.page_class != drained.page_class || now.frames != drained.frames) {
    return false;
  }
  BufferHeader* first = HeadersOf(extent, now.page_class);
  TakeOut(self, extent, keep);
  for (uint64_t i = keep; i < now.frames; ++i) {
    LeaveLoading(first[i], /*retired=*/true);
  }
  MPOOL_STEP("mpool.extent.retired");
  if (keep == 0) RemoveFromRing(extent, now.page_class);
  MPOOL_STEP("mpool.extent.unringed");
  extents_[extent].word.store(
      keep == 0 ? 0 : CutWord{now.page_class, keep}.Pack(),
      std::memory_order_release);
  MPOOL_STEP("mpool.extent.uncut");
  return true;
}

void FrameTable::AddToRing(uint32_t extent, uint32_t page_class, uint32_t n) {
  BufferHeader* first = HeadersOf(extent, page_class);
  const uint64_t frames = cut(extent).frames;
  for (uint64_t i = 0; i < frames; ++i) {
    first[i].position.store(
        static_cast<uint32_t>(n * PerExtent(page_class) + i),
        std::memory_order_relaxed);
  }
  RingSlot(page_class, n).store(extent, std::memory_order_relaxed);
}

// Moves the last extent of the ring to the removed extent's position.
// no step below: rings are rebuilt from the extents' words.
void FrameTable::RemoveFromRing(uint32_t extent, uint32_t page_class) {
  ClassHeader& c = pool_->classes[page_class];
  const uint32_t last = c.extents.load(std::memory_order_relaxed) - 1;
  for (uint32_t n = 0; n < last; ++n) {
    if (ExtentAt(page_class, n) != extent) continue;
    AddToRing(ExtentAt(page_class, last), page_class, n);
    break;
  }
  c.extents.store(last, std::memory_order_release);
}

BufferHeader* FrameTable::AtPosition(uint32_t page_class,
                                     uint64_t position) const {
  const uint64_t per_extent = PerExtent(page_class);
  const auto place = static_cast<uint32_t>(position / per_extent);
  if (place >= pool_->extent_count) return nullptr;
  const uint32_t extent = ExtentAt(page_class, place);
  if (extent >= pool_->extent_count) return nullptr;
  const CutWord now = cut(extent);
  const uint64_t i = position % per_extent;
  if (now.page_class != page_class || i >= now.frames) return nullptr;
  return HeadersOf(extent, page_class) + i;
}

// Rebuilds rings and places. Frees frames that were being retired or added.
// no step below: its callers pass steps.
void FrameTable::RebuildRings() {
  uint32_t ring[kPageClasses] = {};
  ForEachExtent([&](uint32_t extent, CutWord now, BufferHeader* first) {
    Place(extent, now.page_class, 0, now.frames);
    for (uint64_t i = 0; i < now.frames; ++i) {
      State seen = first[i].Load();
      while (seen.phase() == Phase::kRetired &&
             !first[i].Change(&seen, seen.Bare())) {
      }
    }
    AddToRing(extent, now.page_class, ring[now.page_class]++);
  });
  for (uint32_t i = 0; i < kPageClasses; ++i) {
    pool_->classes[i].extents.store(ring[i], std::memory_order_release);
  }
}

}  // namespace mpool::internal
