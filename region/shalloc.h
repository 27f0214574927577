// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// shalloc.h - the region's heap: first fit over an address-ordered free list,
// split from the tail, coalescing on free (Berkeley DB's shalloc).
//
// Concurrency: each call takes the heap latch.
// Invariants:  S1 chunks fill [heap_begin, heap_end) without a gap; each starts
//              with a Chunk whose word holds size, state and owner tag, so that
//              the heap can be walked from the start at any instant.
//              S2 a split or a merge becomes visible by one 8-byte store.
//              S3 the free list is derived: Repair rebuilds it by a walk.
//              S4 no two neighbours are free, except after a death.
//              S5 a chunk in use has its check value. The value is stored
//              before the chunk turns used, and overwritten after it is free.
// Crash:       a chunk carries its process's tag until it is linked; then the
//              tag is 0. AllocateLinked names the place in the thread's intent
//              words before it stores the link, and tags the chunk that the
//              new chunk replaces. Repair frees a dead process's tagged chunks,
//              except chunks that such a place names.
// Lock rank:   kHeap; no latch is taken under it. Region growth makes system
//              calls under it.

#ifndef MPOOL_REGION_SHALLOC_H_
#define MPOOL_REGION_SHALLOC_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <unordered_set>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "region/layout.h"
#include "region/repair_pass.h"
#include "region/thread.h"

namespace mpool::region {

class Memory;

// SHARED. Word: size in 16-byte units 48 | owner tag 12 | state 4. State 0:
// memory in which no chunk starts yet. Legal transitions:
//   C1 0 -> free       Format and GrowLocked, before the heap's end is stored
//   C2 0 -> used       TakeLocked: the tail of a free chunk, before the split
//   C3 free -> used    TakeLocked: the whole chunk, with a tag
//   C4 free -> free    TakeLocked (smaller), FreeLocked and Rebuild (merged)
//   C5 used -> used    SetTag and Sweep; the size stays
//   C6 used -> free    FreeLocked, Repair and Sweep; the size stays
struct Chunk {
  std::atomic<uint64_t> word;
  std::atomic<uint64_t> next;  // free: next free chunk; used: check value
};

#ifdef NDEBUG
inline void CheckChunkTransition(uint64_t, uint64_t) {}
#else
// Aborts unless the change of a chunk's word is in the table above.
void CheckChunkTransition(uint64_t from, uint64_t to);
#endif

struct HeapStats {
  uint64_t free_bytes = 0;
  uint64_t largest_free_bytes = 0;
  uint64_t used_bytes = 0;
  uint32_t free_chunks = 0;
  uint32_t used_chunks = 0;
};

class Reachable;

class Shalloc {
 public:
  // `memory` must outlive this.
  explicit Shalloc(Memory& memory) : memory_(memory) {}

  // Makes [begin, end) one free chunk. Creation only.
  // REQUIRES: both are multiples of 16.
  void Format(uint64_t begin, uint64_t end);

  // Returns the offset of `size` zeroed bytes at a multiple of `alignment` (a
  // power of two, 16 to 2 MiB). Grows the heap if needed. The chunk is tagged
  // with the caller's process until Publish. InvalidArgument if size or
  // alignment is out of range; ResourceExhausted if there is no room.
  absl::StatusOr<uint64_t> Allocate(const Thread& self, uint64_t size,
                                    uint64_t alignment);
  // Allocates, then stores the offset in `place`, a word of the region. A death
  // neither leaks the chunk nor frees it after it is linked. `prepare` can fill
  // the chunk before the store. `replaced` is the chunk that the place named
  // before, if any; it is freed. Errors as Allocate.
  absl::StatusOr<uint64_t> AllocateLinked(
      const Thread& self, uint64_t size, uint64_t alignment,
      std::atomic<uint64_t>* place,
      const std::function<void(uint64_t)>& prepare = nullptr,
      uint64_t replaced = 0);
  // Clears the tag of a chunk that is now reachable.
  void Publish(uint64_t offset) { SetTag(offset, 0); }

  // Stores `next` in `place` and frees the chunk that `place` named before. A
  // death does not leak the chunk.
  void FreeLinked(const Thread& self, std::atomic<uint64_t>* place,
                  uint64_t next);

  // Frees a chunk. InvalidArgument if `offset` is not a chunk in use.
  absl::Status Free(const Thread& self, uint64_t offset);

  // Returns the bytes that the chunk at `offset` can hold; 0 if there is no
  // chunk in use.
  uint64_t SizeOf(uint64_t offset) const;

  HeapStats Stats(const Thread& self);
  // Returns the same without the latch, for inspection. The result is exact
  // while no thread allocates. The walk never leaves the heap's bounds.
  HeapStats Survey() const;

  // Frees the tagged chunks of a dead process, except chunks for which
  // `is_linked` returns true, and rebuilds the free list. Takes over the heap
  // latch if a dead thread owns it.
  // REQUIRES: the caller has the repair claim on the process. Not checkable:
  // the heap does not know the process slots.
  void Repair(const RepairPass& pass,
              const std::function<bool(uint64_t)>& is_linked)
      MPOOL_EXCLUDES(latch());

  // Returns DataLoss unless the heap can be walked and each chunk is either
  // free or in use. Reads only. REQUIRES: no other process is attached. Not
  // checkable: the heap does not know the process slots.
  absl::Status CheckChunks() const;
  // Rebuilds the free list. REQUIRES: as above, and CheckChunks.
  void Relist() {
    MPOOL_ASSERT(CheckChunks().ok());
    Rebuild();
  }
  // Frees the chunks that are not in `reached` and rebuilds the free list.
  // REQUIRES: as above, and CheckChunks.
  void Sweep(const Reachable& reached);

  // Returns Internal unless the free list and the chunks agree. For tests and
  // debug builds.
  absl::Status Check(const Thread& self);

 private:
  Chunk* At(uint64_t offset) const;
  void SetTag(uint64_t offset, uint32_t process);
  RankedLatch<LockRank::kHeap>& latch() const;
  uint64_t TakeLocked(const Thread& self, uint64_t size, uint64_t alignment)
      MPOOL_REQUIRES(latch());
  void FreeLocked(const Thread& self, uint64_t chunk) MPOOL_REQUIRES(latch());
  absl::Status GrowLocked(const Thread& self, uint64_t size,
                          uint64_t alignment) MPOOL_REQUIRES(latch());
  // Rebuilds the free list. REQUIRES: the heap latch, or no other process is
  // attached. Not checkable: an adopter needs no latch.
  void Rebuild();

  Memory& memory_;
};

// The set of reachable chunks. Exactly one link leads to each of them.
class Reachable {
 public:
  explicit Reachable(const Shalloc& heap) : heap_(heap) {}

  // Adds a chunk. False if there is no chunk in use of `size` bytes or more at
  // `offset`, or if the set has it already.
  bool Add(uint64_t offset, uint64_t size) {
    const uint64_t there = heap_.SizeOf(offset);
    return there != 0 && there >= size && offsets_.insert(offset).second;
  }
  bool Has(uint64_t offset) const { return offsets_.contains(offset); }

 private:
  const Shalloc& heap_;
  std::unordered_set<uint64_t> offsets_;
};

}  // namespace mpool::region

#endif  // MPOOL_REGION_SHALLOC_H_
