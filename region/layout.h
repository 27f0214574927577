// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// layout.h - the fixed front of every region: header, process slots, and the
// shape of a thread slot. Everything else is found from here, by offset.
//
// Rules for shared structs: fixed-width fields, no pointers, zero bytes are a
// valid first state, size and offsets pinned below. What is loaded from here
// is loaded once, checked, then used.

#ifndef MPOOL_REGION_LAYOUT_H_
#define MPOOL_REGION_LAYOUT_H_

#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "region/latch.h"
#include "region/limits.h"

namespace mpool::region {

inline constexpr uint64_t kMagic = 0x120897;
inline constexpr uint32_t kLayoutVersion = 3;

// What is fixed when a region is created. It stands twice, each with a CRC, in
// the region and in the descriptor file __db.001, so that a torn copy is seen.
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
  uint64_t moved_from = 0;  // the home's device number before; see move.cc
  // The directory that it was made for: a copied home has another one.
  uint64_t home_device = 0;
  uint64_t home_inode = 0;
  uint64_t home_birth_ns = 0;
  uint64_t max_cache_bytes = 0;
  uint64_t heap_limit = 0;  // the heap ends here at most, the rest is beyond
  uint8_t pad[4] = {};
  uint32_t crc = 0;  // of all bytes before it
};

// State of a process slot. Free -> live: the joiner, which holds the slot's
// byte lock. Live -> free: the leaver, before it drops the lock. Live ->
// repairing: whoever found the byte free while the slot was live. Repairing
// -> repairing by another: when the repairer died. Repairing -> free: the
// repairer, last.
enum class SlotState : uint32_t { kFree = 0, kLive = 1, kRepairing = 2 };

// generation 24 | generation of the repairer 24 | repairer's slot 12 | state 4
struct ProcessWord {
  uint32_t generation = 0;
  uint32_t repairer = 0;
  uint32_t repairer_generation = 0;
  SlotState state = SlotState::kFree;

  static ProcessWord Unpack(uint64_t word) {
    return {static_cast<uint32_t>(word >> 40),
            static_cast<uint32_t>(word >> 4) & 0xfff,
            static_cast<uint32_t>(word >> 16) & 0xffffff,
            static_cast<SlotState>(word & 0xf)};
  }
  uint64_t Pack() const {
    return uint64_t{generation & 0xffffff} << 40 |
           uint64_t{repairer_generation & 0xffffff} << 16 |
           uint64_t{repairer & 0xfff} << 4 | static_cast<uint64_t>(state);
  }
};

// SHARED
struct alignas(kLineBytes) ProcessSlot {
  std::atomic<uint64_t> word;
  // For people; written once the slot is live.
  std::atomic<uint64_t> start_time;
  std::atomic<uint64_t> pid_namespace;
  std::atomic<uint32_t> pid;
  uint32_t pad;
  std::atomic<uint64_t> command[2];
  std::atomic<uint64_t> attached_ns;  // of the process's monotonic clock
  std::atomic<uint64_t> clock;        // which clock that is; see region.h
};

// State of a thread slot. Leaving: its thread is gone, but guards that it got
// are still out; any thread of the process frees it once its ledger is empty.
enum class ThreadState : uint32_t { kFree = 0, kLive = 1, kLeaving = 2 };

// generation 32 | process slot 16 | state 8
struct ThreadWord {
  uint32_t generation = 0;
  uint32_t process = 0;
  ThreadState state = ThreadState::kFree;

  static ThreadWord Unpack(uint64_t word) {
    return {static_cast<uint32_t>(word >> 32),
            static_cast<uint32_t>(word >> 8) & 0xffff,
            static_cast<ThreadState>(word & 0xff)};
  }
  uint64_t Pack() const {
    return uint64_t{generation} << 32 | uint64_t{process & 0xffff} << 8 |
           static_cast<uint64_t>(state);
  }
};

inline constexpr uint32_t kThreadCounters = 16;

// A page as it was at its last put, kept while its thread changes it; the
// page's bytes follow. Linked, zeroed, to its thread's slot, and kept with it.
// SHARED
struct alignas(kLineBytes) Image {
  std::atomic<uint64_t> next;     // offset of the thread's next image, or 0
  std::atomic<uint64_t> word;     // which page and how far; see images.h
  std::atomic<uint32_t> version;  // of the page, when it was taken
  std::atomic<uint32_t> room;     // bytes of a page that fit
  uint64_t pad[5];
};
static_assert(sizeof(Image) == kLineBytes);

// What a thread holds and has counted. Only its thread stores to the ledger
// and the counters, but for a put of a guard that moved to another thread.
// The counters belong to the slot and are never reset: a thread that takes the
// slot goes on counting, so a sum over all slots is never wrong.
// SHARED
struct alignas(kLineBytes) ThreadSlot {
  std::atomic<uint64_t> word;
  // Entries 0..used-1 may be in use; only rises.
  std::atomic<uint32_t> used;
  uint32_t pad0;
  // Offset of the first overflow block, or 0; never given back.
  std::atomic<uint64_t> overflow;
  // Allocation in flight (shalloc.h): the chunk (0: none), and the place that
  // will name it.
  std::atomic<uint64_t> intent_chunk;
  std::atomic<uint64_t> intent_place;
  std::atomic<uint64_t> images;  // offset of the first Image, or 0
  // Whether the thread's open group of updates counts already; see images.h.
  std::atomic<uint64_t> group;
  uint64_t pad1;
  std::atomic<uint64_t> entries[kLedgerEntries];
  std::atomic<uint64_t> counters[kThreadCounters];
  uint64_t pad2[8];
};

// More entries for a thread that holds more than fit its slot. Linked, zeroed,
// before an entry is stored in it, and kept: scanners walk it at any time.
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

// What changes lies outside the fixed copies, each a single word.
// SHARED
struct RegionHeader {
  FixedHeader fixed[2];
  std::atomic<uint64_t> magic;  // written last
  std::atomic<uint64_t> size_bytes;  // of the heap and what is before it
  std::atomic<uint64_t> root;  // offset of what the layer above put first
  std::atomic<uint32_t> process_high_water;
  std::atomic<uint32_t> thread_high_water;  // highest thread id ever live
  // Set where a process could not register for membarrier: puts fence.
  std::atomic<uint32_t> put_needs_fence;
  std::atomic<uint32_t> origin;  // why it was made: an Origin
  // Number of the panic for which every get is refused, or 0. On a line that
  // is hardly ever written: each get reads it.
  std::atomic<uint64_t> panic;
  std::atomic<uint64_t> heap_begin;
  std::atomic<uint64_t> heap_end;
  std::atomic<uint64_t> heap_free;  // offset of the first free chunk, or 0
  Latch heap_latch;
  Latch block_latch;  // who adds a block of thread slots
  std::atomic<uint64_t> adoptions;  // times it was taken over with nobody in it
  std::atomic<uint64_t> repairs;    // dead processes repaired
  std::atomic<uint64_t> panics;     // numbers of panics given so far
  // The page of the last panic, in the words of the layer above.
  std::atomic<uint64_t> panic_page;
  std::atomic<uint64_t> thread_blocks[kThreadBlocks];
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
