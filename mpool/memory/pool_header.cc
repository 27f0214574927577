// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// pool_header.cc - makes and checks the pool header of a region.
//
// Sizes and places follow from the cache's size, which a CRC in the region's
// header covers. Each table is a separate chunk of the heap. So the check
// detects a wrong offset, size or index without trusting any of them.

#include "mpool/memory/pool_header.h"

#include <algorithm>

#include "mpool/page/hash_table.h"
#include "os/assert.h"
#include "os/round.h"
#include "os/status.h"

namespace mpool::internal {
namespace {

constexpr uint64_t kMinExtentBytes = uint64_t{64} << 10;
constexpr uint64_t kMaxExtentBytes = uint64_t{2} << 20;
// Room in a new region for later threads, files and overflow lines.
constexpr uint64_t kSpareBytes = uint64_t{96} << 10;
// Heap overhead of a chunk and its alignment.
constexpr uint64_t kChunkBytes = 2 * kLineBytes;

bool IsCutTransition(CutWord from, CutWord to) {
  // C1
  if (!from.is_cut()) {
    return to.is_cut() && to.frames != 0 && to.drainer == 0;
  }
  // C6
  if (!to.is_cut()) return from.drainer != 0 && to.Pack() == 0;
  if (from.page_class != to.page_class || to.frames == 0) return false;
  // C2
  if (to.frames > from.frames) return from.drainer == to.drainer;
  // C5
  if (to.frames < from.frames) return from.drainer != 0 && to.drainer == 0;
  // C3, C4
  return (from.drainer == 0) != (to.drainer == 0);
}

}  // namespace

void CheckCutTransition(uint64_t from, uint64_t to) {
  if (IsCutTransition(CutWord::Unpack(from), CutWord::Unpack(to))) return;
  os::TransitionFailed("extent", from, to);
}

uint64_t ExtentBytes(uint64_t cache_bytes) {
  const uint64_t bytes =
      std::clamp(cache_bytes / 32 / kMinExtentBytes * kMinExtentBytes,
                 kMinExtentBytes, kMaxExtentBytes);
  MPOOL_ASSERT(bytes % kMaxPageBytes == 0);
  return bytes;
}

void SizeRegion(uint64_t cache_bytes, uint64_t max_cache_bytes,
                region::RegionOptions* options) {
  MPOOL_ASSERT(options != nullptr);
  MPOOL_ASSERT(cache_bytes <= max_cache_bytes);
  const uint64_t extent_bytes = ExtentBytes(cache_bytes);
  const uint64_t most =
      os::RoundUp(max_cache_bytes, extent_bytes) / extent_bytes;
  const uint64_t now = os::RoundUp(cache_bytes, extent_bytes) / extent_bytes;
  const uint64_t headers =
      extent_bytes / os::kSystemPage * sizeof(BufferHeader);
  const uint64_t indexed_bytes =
      options->max_is_default ? cache_bytes : max_cache_bytes;
  const uint64_t buckets =
      HashTable::BucketsFor(indexed_bytes / os::kSystemPage) * sizeof(Bucket);
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
  MPOOL_ASSERT(options->size_bytes <= options->heap_limit);
  MPOOL_ASSERT(options->tail_bytes <=
               options->reserved_bytes - options->heap_limit);
}

absl::Status FormatPoolHeader(region::Memory& memory,
                              const region::Thread& self) {
  region::Shalloc& heap = memory.heap();
  const uint64_t cache_bytes = memory.fixed().cache_bytes;
  MPOOL_ASSERT(cache_bytes != 0);
  MPOOL_ASSERT(cache_bytes <= memory.fixed().max_cache_bytes);
  const auto extents = static_cast<uint32_t>(
      (memory.fixed().max_cache_bytes + ExtentBytes(cache_bytes) - 1) /
      ExtentBytes(cache_bytes));
  MPOOL_RETURN_IF_ERROR(heap.AllocateLinked(self, sizeof(PoolHeader), 64,
                                            &memory.header()->root)
                            .status());
  auto& pool =
      *memory.At<PoolHeader>(memory.header()->root.load());
  MPOOL_ASSERT(reinterpret_cast<uintptr_t>(&pool) % kLineBytes == 0);
  pool.extent_bytes = static_cast<uint32_t>(ExtentBytes(cache_bytes));
  pool.extent_count = extents;
  // no step: no process attaches to a region without magic.
  pool.cache.store(SealSize(cache_bytes));
  // no step: as above.
  pool.backed.store(SealSize(cache_bytes));
  MPOOL_RETURN_IF_ERROR(heap.AllocateLinked(self, extents * sizeof(Extent), 64,
                                            &pool.extents)
                            .status());
  return heap.AllocateLinked(self, extents * kPageClasses * 4, 64, &pool.rings)
      .status();
}

absl::Status CheckPoolHeader(const region::Memory& memory,
                             region::Reachable* reached) {
  MPOOL_ASSERT(reached != nullptr);
  const uint64_t root =
      memory.header()->root.load(std::memory_order_acquire);
  if (!reached->Add(root, sizeof(PoolHeader))) return region::Damaged("root");
  const auto& pool = *memory.At<PoolHeader>(root);
  const region::FixedHeader& fixed = memory.fixed();
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
    return region::Damaged("pool header");
  }
  if (pool.extents_used.load(std::memory_order_acquire) > pool.extent_count) {
    return region::Damaged("pool header");
  }
  if (!reached->Add(pool.extents.load(), count * sizeof(Extent))) {
    return region::Damaged("table of extents");
  }
  if (!reached->Add(pool.rings.load(), count * kPageClasses * 4)) {
    return region::Damaged("table of rings");
  }
  return absl::OkStatus();
}

}  // namespace mpool::internal
