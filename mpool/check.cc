// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// check.cc - whether the pool's tables are where and what they must be, before
// any of them is used.
//
// Sizes and places follow from the cache's size, which the region's header has
// under a CRC, and each table is a chunk of the heap of its own. So a wrong
// offset, size or index is told from a right one without trusting any of them.
// Reads only.

#include <algorithm>
#include <array>

#include "absl/strings/str_cat.h"
#include "mpool/pool.h"

namespace mpool::internal {
namespace {

absl::Status Damaged(std::string_view what) {
  return absl::DataLossError(absl::StrCat("its ", std::string(what),
                                          " is damaged"));
}

}  // namespace

// Each table once; what is in them comes after.
absl::Status FrameTable::CheckPlaces(region::Reachable* reached) const {
  const uint64_t root =
      region_.header()->root.load(std::memory_order_acquire);
  if (!reached->Add(root, sizeof(PoolHeader))) return Damaged("root");
  const auto& pool = *region_.At<PoolHeader>(root);
  const region::FixedHeader& fixed = region_.fixed();
  const uint64_t extent_bytes = ExtentBytes(fixed.cache_bytes);
  const uint64_t count =
      (fixed.max_cache_bytes + extent_bytes - 1) / extent_bytes;
  // In the other order than that in which a resize raises them.
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

// Whether the word is one that a cutter stores in such a cache: who resizes
// changes all three, in an order in which they are right at any moment.
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

// Whether no header of an extent that is not cut has a page.
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
  // What is being cut or resized meanwhile does not stand still.
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
    // In this order: a cutter raises the mark first.
    const bool is_cut = cut(i).is_cut();
    if (is_cut && i >= pool_->extents_used.load(std::memory_order_acquire)) {
      return Damaged("pool header");
    }
  }
  return absl::OkStatus();
}

absl::Status Pool::Check(bool alone, region::Reachable* reached) {
  MPOOL_RETURN_IF_ERROR(frames_.Check(reached));
  const PoolHeader& pool = frames_.pool();
  // Until the first file is known the table may be replaced. Its size follows
  // from the chunk's when nobody is there; see Adopt.
  if (alone || pool.files_used.load(std::memory_order_acquire) != 0) {
    const uint64_t count =
        alone ? 1 : pool.bucket_count.load(std::memory_order_acquire);
    if (count == 0 ||
        !reached->Add(pool.buckets.load(), count * sizeof(Bucket))) {
      return Damaged("hash table");
    }
  }
  for (const std::atomic<uint64_t>& block : pool.file_blocks) {
    const uint64_t offset = block.load(std::memory_order_acquire);
    if (offset != 0 &&
        !reached->Add(offset, kFilesPerBlock * sizeof(FileEntry))) {
      return Damaged("table of files");
    }
  }
  return absl::OkStatus();
}

}  // namespace mpool::internal
