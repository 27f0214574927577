// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// layout.h - the fixed front of every region: header, process slots, and the
// layout of a thread slot. Everything else is found from here, by offset.
//
// Rules for shared structs: fixed-width fields, no pointers, zero bytes are a
// valid first state, size and offsets pinned below. A reader loads each word
// once, checks the value, then uses it.

#ifndef MPOOL_REGION_LAYOUT_H_
#define MPOOL_REGION_LAYOUT_H_

#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "region/latch.h"
#include "region/limits.h"
#include "region/slot_words.h"

namespace mpool::region {

inline constexpr uint64_t kMagic = 0x120897;
inline constexpr uint32_t kLayoutVersion = 4;

// The values that are fixed when a region is created. The region and the
// descriptor file __db.001 each keep two copies with a CRC, so that a torn copy
// is detected.
// SHARED
struct FixedHeader {
  uint32_t version = 0;
  uint32_t signature = 0;  // of every shared struct
  uint8_t creation_id[16] = {};
  uint8_t boot_id[16] = {};
  uint64_t reserved_bytes = 0;  // address space of each attachment
  uint64_t cache_bytes = 0;
  uint32_t backing = 0;
  uint32_t policy = 0;
  uint32_t mode = 0;
  char segment[60] = {};  // name of the segment, NUL-terminated
  uint64_t home_filesystem = 0;  // FileSystemId of os/filesystem.h
  uint64_t moved_from = 0;  // the home's previous device number; see move.h
  // Identity of the home. A copied home has another identity.
  uint64_t home_device = 0;
  uint64_t home_inode = 0;
  uint64_t home_birth_ns = 0;
  uint64_t max_cache_bytes = 0;
  uint64_t heap_limit = 0;  // end of the heap at most; the client has it
  // 1: max_cache_bytes is a default, so the hash table is for cache_bytes.
  uint32_t max_is_default = 0;
  uint32_t crc = 0;  // of all bytes before it
};

// SHARED
struct alignas(kLineBytes) ProcessSlot {
  std::atomic<uint64_t> word;
  // For diagnostics; written after the slot turned live.
  std::atomic<uint64_t> start_time;
  std::atomic<uint64_t> pid_namespace;
  std::atomic<uint32_t> pid;
  uint32_t pad;
  std::atomic<uint64_t> command[2];
  std::atomic<uint64_t> attached_ns;  // on the process's monotonic clock
  std::atomic<uint64_t> clock;        // OwnClock() of the process
};

inline constexpr uint32_t kThreadCounters = 16;

// A before-image: a page as of its last put, kept while its thread changes the
// page. The page's bytes follow. An image is zeroed before it is linked to its
// thread's slot. Members::FreeImages and an adoption unlink it.
// SHARED
struct alignas(kLineBytes) Image {
  std::atomic<uint64_t> next;     // offset of the thread's next image, or 0
  std::atomic<uint64_t> word;     // frame and step; see images.h
  std::atomic<uint32_t> version;  // the page's version at the copy
  std::atomic<uint32_t> room;     // largest page size that fits, in bytes
  uint64_t pad[5];
};
static_assert(sizeof(Image) == kLineBytes);

// A thread's ledger and counters. Only the thread stores to them, except that
// another thread puts a guard that was moved to it. The counters belong to the
// slot and are never reset: the slot's next thread continues them, so that the
// sum over all slots stays correct.
// SHARED
struct alignas(kLineBytes) ThreadSlot {
  std::atomic<uint64_t> word;
  // Entries 0..used-1 may be in use; only rises.
  std::atomic<uint32_t> used;
  uint32_t pad0;
  // Offset of the first overflow block, or 0; never freed.
  std::atomic<uint64_t> overflow;
  // Allocation in flight (shalloc.h): the chunk (0: none), and the offset of
  // the word that will name it.
  std::atomic<uint64_t> intent_chunk;
  std::atomic<uint64_t> intent_place;
  std::atomic<uint64_t> images;  // offset of the first Image, or 0
  // State of the thread's update group: open or committed; see images.h.
  std::atomic<uint64_t> group;
  uint64_t pad1;
  std::atomic<uint64_t> entries[kLedgerEntries];
  std::atomic<uint64_t> counters[kThreadCounters];
  uint64_t pad2[8];
};

// More ledger entries for a thread with a full slot. A block is zeroed and
// linked before its first entry is stored. The block stays linked because
// scanners can walk it at any time.
// SHARED
struct LedgerOverflow {
  std::atomic<uint64_t> next;
  uint64_t pad;
  std::atomic<uint64_t> entries[kLedgerOverflowEntries];
};
static_assert(sizeof(LedgerOverflow) == 4096);

// SHARED
struct ThreadBlock {
  ThreadSlot slots[kThreadsPerBlock];
};

// The sizes of a home's handle and of its path in the region.
inline constexpr uint32_t kHomeHandleWords = 17;
inline constexpr uint32_t kHomePathWords = 256;

// Everything that changes lies outside the fixed copies, in single words.
// SHARED
struct RegionHeader {
  FixedHeader fixed[2];
  std::atomic<uint64_t> magic;  // written last
  std::atomic<uint64_t> size_bytes;  // of this header and the heap
  std::atomic<uint64_t> root;  // offset of the root table of the layer above
  std::atomic<uint32_t> process_high_water;
  std::atomic<uint32_t> thread_high_water;  // highest thread id ever live
  // 1 if a process could not register for membarrier; then each put fences.
  std::atomic<uint32_t> put_needs_fence;
  std::atomic<uint32_t> origin;  // why the region was made: an Origin
  // Number of the panic for which every get is refused, or 0. Its cache line is
  // rarely written because each get reads it.
  std::atomic<uint64_t> panic;
  std::atomic<uint64_t> heap_begin;
  std::atomic<uint64_t> heap_end;
  std::atomic<uint64_t> heap_free;  // offset of the first free chunk, or 0
  RankedLatch<LockRank::kHeap> heap_latch;
  // Held to add a block of thread slots.
  RankedLatch<LockRank::kExtents> block_latch;
  std::atomic<uint64_t> adoptions;  // adoptions while no process was attached
  std::atomic<uint64_t> repairs;    // dead processes repaired
  std::atomic<uint64_t> panics;     // the last panic number used
  // The page of the last panic, encoded by the layer above.
  std::atomic<uint64_t> panic_page;
  std::atomic<uint64_t> adopting;  // 1 while an adopter resets the region
  std::atomic<uint64_t> thread_blocks[kThreadBlocks];
  // The home when it was last created or adopted, for people and for the search
  // for memory without a home; see home_name.h.
  std::atomic<uint64_t> home_handle[kHomeHandleWords];
  std::atomic<uint64_t> home_path[kHomePathWords];
  alignas(4096) ProcessSlot processes[kMaxProcesses];
  alignas(4096) ThreadSlot process_threads[kMaxProcesses];
};

static_assert(sizeof(FixedHeader) == 192);
static_assert(offsetof(FixedHeader, home_device) % 8 == 0);
static_assert(offsetof(FixedHeader, crc) == 188);
static_assert(sizeof(ProcessSlot) == 64);
static_assert(sizeof(ThreadSlot) == 512);
static_assert(offsetof(ThreadSlot, entries) == 64);
static_assert(offsetof(ThreadSlot, counters) == 320);
static_assert(sizeof(RegionHeader) == 4096 + 256 * 64 + 256 * 512);
static_assert(offsetof(RegionHeader, magic) == 384);
static_assert(offsetof(RegionHeader, heap_free) == 448);
static_assert(std::is_standard_layout_v<RegionHeader>);
static_assert(std::atomic<uint64_t>::is_always_lock_free);
static_assert(std::endian::native == std::endian::little,
              "the state word's futex half and the region are little-endian");

}  // namespace mpool::region

#endif  // MPOOL_REGION_LAYOUT_H_
