// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// pool_header.h - the shared structs of the cache's memory: the pool header,
// the header of a page class, and an extent with its word.
//
// The page memory is the tail of the region's address space. It is as long as
// the largest cache, and its part [0, cache) is in use. Extent i is the i-th
// piece of the page memory. The tables of extents and rings are made for the
// largest cache at once.
//
// State word: the cut of an extent (CutWord), from bit 0:
//   page class + 1  8 | drainer 12 | spare 12 | frames 32
//   page class  0..7 for 512 bytes to 64 KiB; the whole word 0 = not cut
//   drainer     thread that retires frames of the extent, or 0
//   frames      number of frames of the class that the extent has
//
// Transitions (C) and their functions. All others are bugs; CheckTransition
// reports them.
//   C1  0 -> class, frames            ExtentTable::Cut
//   C2  more frames, all else kept    ExtentTable::Extend
//   C3  drainer 0 -> thread           ExtentTable::BeginDrain
//   C4  drainer -> 0, all else kept   ExtentTable::EndDrain, ReleaseDrained
//   C5  drained -> fewer frames       ExtentTable::Retire, keeps a part
//   C6  drained -> 0                  ExtentTable::Retire, the whole extent

#ifndef MPOOL_MPOOL_MEMORY_POOL_HEADER_H_
#define MPOOL_MPOOL_MEMORY_POOL_HEADER_H_

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "absl/status/status.h"
#include "mpool/page/buffer_header.h"
#include "region/memory.h"
#include "region/options.h"

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
// Returns the class of the smallest pages that the block serves.
constexpr PageClass SmallestOf(uint32_t block) { return PageClass(block); }
// Returns the block of headers that serves a class.
constexpr uint32_t BlockOf(PageClass page_class) {
  return std::min(page_class.index(), kHeaderBlocks - 1);
}

// SHARED
struct Extent {
  std::atomic<uint64_t> word;  // a CutWord; 0 = not cut
  std::atomic<uint64_t> headers[kHeaderBlocks];  // region offsets
};
static_assert(sizeof(Extent) == 40);

// The cut of an extent; see the bit table above.
struct CutWord {
  PageClass page_class;
  uint64_t frames = 0;
  uint32_t drainer = 0;

  static CutWord Unpack(uint64_t word) {
    return {PageClass::FromStored((word & 0xff) - 1), word >> 32,
            static_cast<uint32_t>(word >> 8) & 0xfff};
  }
  uint64_t Pack() const {
    const uint64_t stored = page_class.is_none() ? 0 : page_class.index() + 1;
    return frames << 32 | uint64_t{drainer} << 8 | stored;
  }
  bool is_cut() const { return !page_class.is_none(); }
};

// Aborts if the word `to` must not follow `from`; see the transitions above.
void CheckCutTransition(uint64_t from, uint64_t to);

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
  std::atomic<uint64_t> policy;   // the policy's own memory, or 0
  uint64_t pad[6];
  ClassHeader classes[kPageClasses];
  std::atomic<uint64_t> file_blocks[kMaxFiles / 64];

  ClassHeader& class_of(PageClass c) { return classes[c.index()]; }
  const ClassHeader& class_of(PageClass c) const { return classes[c.index()]; }
};
static_assert(sizeof(PoolHeader) == 128 + 512 + 512);
static_assert(offsetof(PoolHeader, classes) == 128);
static_assert(std::is_standard_layout_v<PoolHeader>);

// Returns the size of an extent for a cache of this size at its creation.
uint64_t ExtentBytes(uint64_t cache_bytes);

// True during a resize, and after one that its process did not finish.
inline bool IsResizing(const PoolHeader& pool) {
  return pool.cache.load(std::memory_order_relaxed) !=
         pool.backed.load(std::memory_order_relaxed);
}
// Returns the number of extents that were ever cut. Accepts any word.
inline uint32_t ExtentsUsed(const PoolHeader& pool) {
  return std::min(pool.extents_used.load(std::memory_order_acquire),
                  pool.extent_count);
}

// Sets the sizes of a region for such a cache. The hash table is for the
// largest size, or for the first size if options->max_is_default.
void SizeRegion(uint64_t cache_bytes, uint64_t max_cache_bytes,
                region::RegionOptions* options);

// Makes the pool header and the tables of extents and rings in a new region.
// Points the region's root to the header. Returns the errors of the heap.
absl::Status FormatPoolHeader(region::Memory& memory,
                              const region::Thread& self);
// Checks the sizes of the pool header and the places of the two tables. Returns
// DataLoss if one is damaged. Their contents are checked later.
absl::Status CheckPoolHeader(const region::Memory& memory,
                             region::Reachable* reached);

}  // namespace mpool::internal

#endif  // MPOOL_MPOOL_MEMORY_POOL_HEADER_H_
