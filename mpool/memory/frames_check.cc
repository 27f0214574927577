// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// frames_check.cc - checks the places and sizes of the pool's tables before
// use.
//
// Sizes and places follow from the cache's size, which a CRC in the region's
// header covers. Each table is a separate chunk of the heap. So the check
// detects a wrong offset, size or index without trusting any of them. It only
// reads.

#include <algorithm>
#include <array>

#include "absl/strings/str_cat.h"
#include "mpool/memory/frames.h"
#include "os/status.h"

namespace mpool::internal {
namespace {

absl::Status Damaged(std::string_view what) {
  return absl::DataLossError(
      absl::StrCat("its ", std::string(what), " is damaged"));
}

}  // namespace

// Checks the place of each table; the contents are checked later. Returns
// DataLoss if a table is damaged.
absl::Status FrameTable::CheckPlaces(region::Reachable* reached) const {
  const uint64_t root =
      region_.memory().header()->root.load(std::memory_order_acquire);
  if (!reached->Add(root, sizeof(PoolHeader))) return Damaged("root");
  const auto& pool = *region_.memory().At<PoolHeader>(root);
  const region::FixedHeader& fixed = region_.memory().fixed();
  const uint64_t extent_bytes = ExtentBytes(fixed.cache_bytes);
  const uint64_t count =
      (fixed.max_cache_bytes + extent_bytes - 1) / extent_bytes;
  // Loaded in the reverse of the order in which a grow raises them.
  const uint64_t cache = pool.cache.load(std::memory_order_acquire);
  const uint64_t backed = pool.backed.load(std::memory_order_acquire);
  if (fixed.reserved_bytes - fixed.heap_limit < fixed.max_cache_bytes ||
      pool.extent_bytes != extent_bytes || pool.extent_count != count ||
      cache != SealSize(SizeIn(cache)) || SizeIn(cache) == 0 ||
      backed != SealSize(SizeIn(backed)) ||
      std::max(SizeIn(cache), SizeIn(backed)) > fixed.max_cache_bytes) {
    return Damaged("pool header");
  }
  if (!reached->Add(pool.extents.load(), count * sizeof(Extent))) {
    return Damaged("table of extents");
  }
  if (!reached->Add(pool.rings.load(), count * kPageClasses * 4)) {
    return Damaged("table of rings");
  }
  return absl::OkStatus();
}

// True if a cutter may store this word in a cache with these sizes. A resizer
// changes the word and both sizes in an order that keeps them consistent at any
// moment.
bool FrameTable::IsCutRight(uint32_t extent, uint64_t word, uint64_t cache,
                            uint64_t backed) const {
  const CutWord now = CutWord::Unpack(word);
  if (!now.is_cut()) return word == 0;
  if (word != now.Pack() || now.frames == 0 || now.drainer > kMaxThreads) {
    return false;
  }
  return FramesOf(extent, now.page_class, cache) <= now.frames &&
         now.frames <= FramesOf(extent, now.page_class, backed);
}

// True if no header of the extent has a page; for an extent that is not cut.
bool FrameTable::IsEmpty(uint32_t extent) const {
  for (uint32_t block = 0; block < kHeaderBlocks; ++block) {
    if (extents_[extent].headers[block].load() == 0) continue;
    const BufferHeader* first = HeadersOf(extent, block);
    const uint64_t count = HeadersIn(block);
    const bool empty =
        std::all_of(first, first + count, [](const BufferHeader& header) {
          const Phase phase = header.Load().phase();
          return phase == Phase::kFree || phase == Phase::kRetired;
        });
    if (!empty) return false;
  }
  return true;
}

absl::Status FrameTable::CheckExtent(uint32_t index,
                                     region::Reachable* reached) const {
  const Extent& extent = extents_[index];
  const CutWord now = cut(index);
  for (uint32_t block = 0; block < kHeaderBlocks; ++block) {
    const uint64_t headers = extent.headers[block].load();
    const bool needed = now.is_cut() && BlockOf(now.page_class) == block;
    if (headers == 0 && !needed) continue;
    if (!reached->Add(headers, HeadersIn(block) * sizeof(BufferHeader))) {
      return Damaged("table of extents");
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
    if (IsCutRight(index, word, cache, backed) &&
        (CutWord::Unpack(word).is_cut() || IsEmpty(index))) {
      return absl::OkStatus();
    }
    if (look() == std::array{word, cache, backed}) ++still;
  }
  return Damaged("table of extents");
}

absl::Status FrameTable::Check(region::Reachable* reached) {
  MPOOL_RETURN_IF_ERROR(CheckPlaces(reached));
  Attach();
  if (pool_->extents_used.load(std::memory_order_acquire) >
      pool_->extent_count) {
    return Damaged("pool header");
  }
  for (uint32_t i = 0; i < pool_->extent_count; ++i) {
    MPOOL_RETURN_IF_ERROR(CheckExtent(i, reached));
    // In this order, because a cutter raises extents_used before it cuts.
    const bool is_cut = cut(i).is_cut();
    if (is_cut && i >= pool_->extents_used.load(std::memory_order_acquire)) {
      return Damaged("pool header");
    }
  }
  return absl::OkStatus();
}

}  // namespace mpool::internal
