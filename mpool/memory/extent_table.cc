// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// extent_table.cc - cuts the page memory into frames, and retires the frames.

#include "mpool/memory/extent_table.h"

#include <array>

#include "os/status.h"
#include "os/step.h"

namespace mpool::internal {
namespace {

using region::LatchGuard;

constexpr PageClass kLargeClass = SmallestOf(kHeaderBlocks - 1);

// True if a cutter may store this word in a cache with these sizes. A resizer
// changes the word and both sizes in an order that keeps them consistent at any
// moment.
bool IsCutRight(const ExtentTable& table, uint32_t extent, uint64_t word,
                uint64_t cache, uint64_t backed) {
  const CutWord now = CutWord::Unpack(word);
  if (!now.is_cut()) return word == 0;
  if (word != now.Pack() || now.frames == 0 || now.drainer > kMaxThreads) {
    return false;
  }
  return table.FramesOf(extent, now.page_class, cache) <= now.frames &&
         now.frames <= table.FramesOf(extent, now.page_class, backed);
}

}  // namespace

void ExtentTable::Attach(PoolHeader& pool) {
  MPOOL_ASSERT(pool.extent_count != 0);
  MPOOL_ASSERT(pool.extent_bytes != 0);
  pool_ = &pool;
  extents_ =
      memory_.At<Extent>(pool.extents.load(std::memory_order_acquire));
  rings_.Attach(pool, memory_.At<std::atomic<uint32_t>>(
                          pool.rings.load(std::memory_order_acquire)));
}

uint64_t ExtentTable::FramesOf(uint32_t extent, PageClass page_class,
                               uint64_t cache_bytes) const {
  const uint64_t begin = uint64_t{extent} * pool_->extent_bytes;
  if (cache_bytes <= begin) return 0;
  return std::min<uint64_t>(cache_bytes - begin, pool_->extent_bytes) /
         page_class.bytes();
}

// REQUIRES: the extents latch.
// no step below: its callers pass steps.
void ExtentTable::StoreWord(uint32_t extent, uint64_t word) {
  MPOOL_ASSERT(extent < pool_->extent_count);
  MPOOL_ASSERT(pool_->extents_latch.owner() != 0);
  std::atomic<uint64_t>& place = extents_[extent].word;
#ifndef NDEBUG
  CheckCutTransition(place.load(std::memory_order_relaxed), word);
#endif
  place.store(word, std::memory_order_release);
}

// no step below: its callers pass steps.
bool ExtentTable::ChangeWord(uint32_t extent, uint64_t* expected,
                             uint64_t word) {
  MPOOL_ASSERT(extent < pool_->extent_count);
#ifndef NDEBUG
  CheckCutTransition(*expected, word);
#endif
  return extents_[extent].word.compare_exchange_weak(*expected, word);
}

absl::Status ExtentTable::MakeBlock(const region::Thread& self,
                                    uint32_t extent, PageClass page_class) {
  MPOOL_ASSERT(extent < pool_->extent_count);
  const uint32_t block = BlockOf(page_class);
  MPOOL_ASSERT(block < kHeaderBlocks);
  std::atomic<uint64_t>& place = extents_[extent].headers[block];
  if (place.load(std::memory_order_acquire) != 0) return absl::OkStatus();
  MPOOL_RETURN_IF_ERROR(
      memory_.heap()
          .AllocateLinked(self,
                          PerExtent(SmallestOf(block)) * sizeof(BufferHeader),
                          kLineBytes, &place)
          .status());
  MPOOL_STEP("mpool.extent.headers");
  return absl::OkStatus();
}

absl::Status ExtentTable::MakeHeaders(const region::Thread& self,
                                      uint64_t cache_bytes) {
  const uint32_t count = ExtentsOf(cache_bytes);
  MPOOL_ASSERT(count <= pool_->extent_count);
  for (uint32_t i = 0; i < count; ++i) {
    MPOOL_RETURN_IF_ERROR(MakeBlock(self, i, kLargeClass));
  }
  return absl::OkStatus();
}

// Returns the extent to cut next, or extent_count if there is none. Stores the
// extent's number of frames.
uint32_t ExtentTable::FindUncut(PageClass page_class, uint64_t* frames) const {
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
// REQUIRES: no thread can acquire their frames (not checkable: an earlier
// cutter may have died here).
void ExtentTable::PlaceHeaders(uint32_t extent, PageClass page_class,
                               uint64_t from, uint64_t to) {
  MPOOL_ASSERT(from <= to);
  MPOOL_ASSERT(to <= PerExtent(page_class));
  BufferHeader* first = HeadersOf(extent, page_class);
  const uint64_t begin = memory() + uint64_t{extent} * pool_->extent_bytes;
  for (uint64_t i = from; i < to; ++i) {
    // no step: the extent does not include the frames yet.
    first[i].place.store((begin + i * page_class.bytes()) << 8 |
                             page_class.index(),
                         std::memory_order_release);
  }
}

// Frees the frames that PlaceHeaders has placed, once the extent includes them.
void ExtentTable::FreePlaced(const region::Thread& self, uint32_t extent,
                             uint64_t from) {
  const CutWord now = cut(extent);
  MPOOL_ASSERT(now.is_cut());
  MPOOL_ASSERT(from <= now.frames);
  BufferHeader* first = HeadersOf(extent, now.page_class);
  for (uint64_t i = from; i < now.frames; ++i) {
    State seen = first[i].Load();
    while (seen.phase() == Phase::kRetired &&
           !first[i].Change(&seen, seen.Bare())) {
    }
  }
  MPOOL_STEP("mpool.extent.opened");
  queues_.PushAllFree(self, now.page_class, first + from, now.frames - from);
  MPOOL_STEP("mpool.extent.queued");
}

absl::StatusOr<bool> ExtentTable::Cut(const region::Thread& self,
                                      PageClass page_class) {
  MPOOL_ASSERT(self.id != 0);
  uint32_t cut_now = 0;
  for (const PageClass c : kAllPageClasses) cut_now += rings_.ExtentsIn(c);
  // Some extents may lie beyond the end of a shrunk cache.
  if (!IsResizing(*pool_) && cut_now >= ExtentsOf(cache_bytes())) return false;
  LatchGuard guard(self, pool_->extents_latch);
  uint64_t frames = 0;
  const uint32_t extent = FindUncut(page_class, &frames);
  if (extent == pool_->extent_count) return false;
  MPOOL_RETURN_IF_ERROR(MakeBlock(self, extent, page_class));
  PlaceHeaders(extent, page_class, 0, frames);
  if (pool_->extents_used.load(std::memory_order_relaxed) <= extent) {
    pool_->extents_used.store(extent + 1, std::memory_order_release);
  }
  MPOOL_STEP("mpool.extent.used");
  StoreWord(extent, CutWord{page_class, frames}.Pack());
  MPOOL_STEP("mpool.extent.cut");
  ClassHeader& c = pool_->class_of(page_class);
  const uint32_t ring = c.extents.load(std::memory_order_relaxed);
  AddToRing(extent, page_class, ring);
  c.extents.store(ring + 1, std::memory_order_release);
  MPOOL_STEP("mpool.extent.ringed");
  FreePlaced(self, extent, 0);
  return true;
}

// REQUIRES: the extents latch.
void ExtentTable::Extend(const region::Thread& self, uint32_t extent,
                         uint64_t bytes) {
  MPOOL_ASSERT(pool_->extents_latch.owner() == self.id);
  const CutWord now = cut(extent);
  if (!now.is_cut()) return;
  const uint64_t frames = FramesOf(extent, now.page_class, bytes);
  if (frames <= now.frames) return;
  PlaceHeaders(extent, now.page_class, now.frames, frames);
  BufferHeader* first = HeadersOf(extent, now.page_class);
  const uint32_t position = first[0].position.load(std::memory_order_relaxed);
  for (uint64_t i = now.frames; i < frames; ++i) {
    first[i].position.store(static_cast<uint32_t>(position + i),
                            std::memory_order_relaxed);
  }
  MPOOL_STEP("mpool.extent.placed");
  uint64_t seen = extents_[extent].word.load(std::memory_order_relaxed);
  // A repairer may clear the drainer at the same time.
  while (!ChangeWord(extent, &seen,
                     CutWord{now.page_class, frames,
                             CutWord::Unpack(seen).drainer}.Pack())) {
  }
  MPOOL_STEP("mpool.extent.extended");
  FreePlaced(self, extent, now.frames);
}

// Runs under the extents latch, so that no extent is cut between the extension
// and the new size.
void ExtentTable::SetCacheBytes(const region::Thread& self, uint64_t bytes) {
  MPOOL_ASSERT(bytes != 0 && bytes % kMinPageBytes == 0);
  MPOOL_ASSERT(bytes <= memory_.fixed().max_cache_bytes);
  LatchGuard guard(self, pool_->extents_latch);
  const uint32_t end = ExtentsOf(bytes);
  const auto begin =
      static_cast<uint32_t>(cache_bytes() / pool_->extent_bytes);
  for (uint32_t i = begin; i < end; ++i) Extend(self, i, bytes);
  MPOOL_STEP("mpool.resize.extended");
  pool_->cache.store(SealSize(bytes), std::memory_order_release);
  MPOOL_STEP("mpool.resize.set");
}

bool ExtentTable::IsBelowMinimum(PageClass page_class) const {
  return !HasAtLeast(MinFrames(page_class), page_class, std::nullopt);
}

bool ExtentTable::HasAtLeast(uint64_t enough, PageClass page_class,
                             std::optional<uint32_t> excluding) const {
  uint64_t frames = 0;
  const uint32_t extents = rings_.ExtentsIn(page_class);
  for (uint32_t n = 0; n < extents && frames < enough; ++n) {
    const uint32_t i = rings_.At(page_class, n);
    if (i >= pool_->extent_count || i == excluding) continue;
    const CutWord now = cut(i);
    if (now.page_class == page_class && now.drainer == 0) frames += now.frames;
  }
  return frames >= enough;
}

bool ExtentTable::BeginDrain(const region::Thread& self, uint32_t extent,
                             const CutWord& now, uint64_t keep,
                             uint64_t leaves) {
  MPOOL_ASSERT(self.id != 0);
  MPOOL_ASSERT(now.is_cut());
  MPOOL_ASSERT(keep <= PerExtent(now.page_class));
  LatchGuard guard(self, pool_->extents_latch);
  CutWord there = cut(extent);
  if (there.drainer == self.id) return true;
  if (there.Pack() != now.Pack() || there.drainer != 0) return false;
  if (keep < leaves && !HasAtLeast(leaves, now.page_class, extent)) {
    return false;
  }
  there.drainer = self.id;
  StoreWord(extent, there.Pack());
  MPOOL_STEP("mpool.extent.draining");
  return true;
}

void ExtentTable::EndDrain(const region::Thread& self, uint32_t extent) {
  MPOOL_ASSERT(self.id != 0);
  LatchGuard guard(self, pool_->extents_latch);
  CutWord there = cut(extent);
  if (there.drainer != self.id) return;
  there.drainer = 0;
  // no step: no thread drains it either way.
  StoreWord(extent, there.Pack());
}

// Works without the extents latch, because the repairer may hold it or wait for
// its holder. The latch is not needed, because only Extend changes such a word
// at the same time.
template <class IsDead>
void ExtentTable::ReleaseDrainedBy(IsDead&& is_dead) {
  ForEachExtent([&](uint32_t extent, CutWord now, BufferHeader*) {
    if (now.drainer == 0 || !is_dead(now.drainer)) return;
    uint64_t seen = now.Pack();
    do {
      now = CutWord::Unpack(seen);
      if (now.drainer == 0 || !is_dead(now.drainer)) return;
      now.drainer = 0;
      // no step: no thread drains it either way.
    } while (!ChangeWord(extent, &seen, now.Pack()));
  });
}

void ExtentTable::ReleaseDrained(const region::RepairPass& pass) {
  ReleaseDrainedBy([&](uint32_t drainer) { return pass.IsDead(drainer); });
}

void ExtentTable::ReleaseAllDrained() {
  ReleaseDrainedBy([](uint32_t) { return true; });
}

bool ExtentTable::Retire(const region::Thread& self, uint32_t extent,
                         const CutWord& drained, uint64_t keep) {
  MPOOL_ASSERT(self.id != 0);
  MPOOL_ASSERT(keep < drained.frames);
  LatchGuard guard(self, pool_->extents_latch);
  const CutWord now = cut(extent);
  if (now.page_class != drained.page_class || now.frames != drained.frames) {
    return false;
  }
  MPOOL_ASSERT(now.drainer == self.id);
  BufferHeader* first = HeadersOf(extent, now.page_class);
  queues_.RemoveFromClass(self, now.page_class, first + keep,
                          now.frames - keep);
  for (uint64_t i = keep; i < now.frames; ++i) {
    LeaveLoading(first[i], Phase::kRetired);
  }
  MPOOL_STEP("mpool.extent.retired");
  if (keep == 0) RemoveFromRing(extent, now.page_class);
  MPOOL_STEP("mpool.extent.unringed");
  StoreWord(extent, keep == 0 ? 0 : CutWord{now.page_class, keep}.Pack());
  MPOOL_STEP("mpool.extent.uncut");
  return true;
}

// REQUIRES: the extents latch, or that no other process is attached (not
// checkable: see Adoption::Run).
void ExtentTable::AddToRing(uint32_t extent, PageClass page_class, uint32_t n) {
  BufferHeader* first = HeadersOf(extent, page_class);
  const uint64_t frames = cut(extent).frames;
  for (uint64_t i = 0; i < frames; ++i) {
    first[i].position.store(
        static_cast<uint32_t>(n * PerExtent(page_class) + i),
        std::memory_order_relaxed);
  }
  rings_.Set(page_class, n, extent);
}

// Moves the last extent of the ring to the removed extent's position.
// no step below: rings are rebuilt from the extents' words.
void ExtentTable::RemoveFromRing(uint32_t extent, PageClass page_class) {
  ClassHeader& c = pool_->class_of(page_class);
  MPOOL_ASSERT(c.extents.load(std::memory_order_relaxed) != 0);
  const uint32_t last = c.extents.load(std::memory_order_relaxed) - 1;
  for (uint32_t n = 0; n < last; ++n) {
    if (rings_.At(page_class, n) != extent) continue;
    AddToRing(rings_.At(page_class, last), page_class, n);
    break;
  }
  c.extents.store(last, std::memory_order_release);
}

BufferHeader* ExtentTable::AtPosition(PageClass page_class,
                                      uint64_t position) const {
  const uint64_t per_extent = PerExtent(page_class);
  const auto place = static_cast<uint32_t>(position / per_extent);
  if (place >= pool_->extent_count) return nullptr;
  const uint32_t extent = rings_.At(page_class, place);
  if (extent >= pool_->extent_count) return nullptr;
  const CutWord now = cut(extent);
  const uint64_t i = position % per_extent;
  if (now.page_class != page_class || i >= now.frames) return nullptr;
  return HeadersOf(extent, page_class) + i;
}

// Frees frames that were being retired or added.
// no step below: its callers pass steps.
void ExtentTable::RebuildRings() {
  MPOOL_ASSERT(pool_ != nullptr);
  uint32_t ring[kPageClasses] = {};
  ForEachExtent([&](uint32_t extent, CutWord now, BufferHeader* first) {
    PlaceHeaders(extent, now.page_class, 0, now.frames);
    for (uint64_t i = 0; i < now.frames; ++i) {
      State seen = first[i].Load();
      while (seen.phase() == Phase::kRetired &&
             !first[i].Change(&seen, seen.Bare())) {
      }
    }
    AddToRing(extent, now.page_class, ring[now.page_class.index()]++);
  });
  for (uint32_t i = 0; i < kPageClasses; ++i) {
    MPOOL_ASSERT(ring[i] <= pool_->extent_count);
    pool_->classes[i].extents.store(ring[i], std::memory_order_release);
  }
}

void ExtentTable::Rebuild(const region::RepairPass& pass) {
  auto& latch = pool_->extents_latch;
  const uint32_t cutter = latch.owner();
  if (pass.IsDead(cutter) && latch.TakeOver(cutter, pass.self)) {
    RebuildRings();
    ++pass.report->latches;
    latch.Unlock(pass.self);
  }
  MPOOL_STEP("mpool.repair.rings");
}

// True if no header of the extent has a page; for an extent that is not cut.
bool ExtentTable::IsEmpty(uint32_t extent) const {
  for (uint32_t block = 0; block < kHeaderBlocks; ++block) {
    if (extents_[extent].headers[block].load() == 0) continue;
    const BufferHeader* first = HeadersOf(extent, SmallestOf(block));
    const uint64_t count = PerExtent(SmallestOf(block));
    const bool empty =
        std::all_of(first, first + count, [](const BufferHeader& header) {
          const Phase phase = header.Load().phase();
          return phase == Phase::kFree || phase == Phase::kRetired;
        });
    if (!empty) return false;
  }
  return true;
}

absl::Status ExtentTable::CheckExtent(uint32_t index,
                                      region::Reachable* reached) const {
  const Extent& extent = extents_[index];
  const CutWord now = cut(index);
  for (uint32_t block = 0; block < kHeaderBlocks; ++block) {
    const uint64_t headers = extent.headers[block].load();
    const bool needed = now.is_cut() && BlockOf(now.page_class) == block;
    if (headers == 0 && !needed) continue;
    const uint64_t count = PerExtent(SmallestOf(block));
    if (!reached->Add(headers, count * sizeof(BufferHeader))) {
      return region::Damaged("table of extents");
    }
  }
  // An extent may be cut or resized during the check. The check therefore fails
  // only after three unchanged pairs of reads.
  auto look = [&] {
    return std::array<uint64_t, 3>{extent.word.load(std::memory_order_acquire),
                                   cache_bytes(), backed_bytes()};
  };
  for (int still = 0; still < 3;) {
    const auto [word, cache, backed] = look();
    if (IsCutRight(*this, index, word, cache, backed) &&
        (CutWord::Unpack(word).is_cut() || IsEmpty(index))) {
      return absl::OkStatus();
    }
    if (look() == std::array{word, cache, backed}) ++still;
  }
  return region::Damaged("table of extents");
}

absl::Status ExtentTable::Check(region::Reachable* reached) const {
  MPOOL_ASSERT(pool_ != nullptr);
  MPOOL_ASSERT(reached != nullptr);
  for (uint32_t i = 0; i < pool_->extent_count; ++i) {
    MPOOL_RETURN_IF_ERROR(CheckExtent(i, reached));
    // In this order, because a cutter raises extents_used before it cuts.
    const bool is_cut = cut(i).is_cut();
    if (is_cut && i >= pool_->extents_used.load(std::memory_order_acquire)) {
      return region::Damaged("pool header");
    }
  }
  return absl::OkStatus();
}

}  // namespace mpool::internal
