// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "region/shalloc.h"

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "os/assert.h"
#include "os/round.h"
#include "os/step.h"
#include "region/memory.h"

namespace mpool::region {
namespace {

constexpr uint64_t kUnit = 16;
constexpr uint64_t kHeader = sizeof(Chunk);
constexpr uint64_t kMaxAlignment = uint64_t{2} << 20;
constexpr uint64_t kGrowBytes = uint64_t{64} << 10;
constexpr uint64_t kStateFree = 1;
constexpr uint64_t kStateUsed = 2;
constexpr uint64_t kCheck = 0x6d706f6f6c686561;

static_assert(sizeof(Chunk) == kUnit);

uint64_t Word(uint64_t size, uint64_t state, uint32_t tag) {
  return (size / kUnit) << 16 | uint64_t{tag & 0xfff} << 4 | state;
}
uint64_t SizeOfWord(uint64_t word) { return (word >> 16) * kUnit; }
uint32_t TagOfWord(uint64_t word) {
  return static_cast<uint32_t>(word >> 4) & 0xfff;
}
bool IsFree(uint64_t word) { return (word & 0xf) == kStateFree; }
bool IsUsed(uint64_t word) { return (word & 0xf) == kStateUsed; }

}  // namespace

#ifndef NDEBUG
void CheckChunkTransition(uint64_t from, uint64_t to) {
  const uint64_t size = SizeOfWord(to);
  const bool same_size = size == SizeOfWord(from);
  bool is_legal = size >= kHeader && (IsFree(to) || IsUsed(to));
  if (IsFree(to)) is_legal = is_legal && TagOfWord(to) == 0;
  if (IsUsed(from)) {
    is_legal = is_legal && same_size;
  } else if (IsFree(from)) {
    is_legal = is_legal && (IsUsed(to) ? same_size : !same_size);
  } else {
    is_legal = is_legal && from == 0;
  }
  if (!is_legal) os::TransitionFailed("chunk", from, to);
}
#endif

RankedLatch<LockRank::kHeap>& Shalloc::latch() const {
  return memory_.header()->heap_latch;
}

Chunk* Shalloc::At(uint64_t offset) const {
  return memory_.At<Chunk>(offset);
}

void Shalloc::Format(uint64_t begin, uint64_t end) {
  MPOOL_ASSERT(begin % kUnit == 0 && end % kUnit == 0);
  MPOOL_ASSERT(begin + kHeader < end);
  RegionHeader* header = memory_.header();
  Chunk* chunk = At(begin);
  const uint64_t word = Word(end - begin, kStateFree, 0);
  CheckChunkTransition(0, word);
  chunk->next.store(0, std::memory_order_relaxed);
  chunk->word.store(word, std::memory_order_relaxed);
  header->heap_free.store(begin, std::memory_order_relaxed);
  header->heap_begin.store(begin, std::memory_order_relaxed);
  // no step: no other process can see the region yet.
  header->heap_end.store(end, std::memory_order_release);
}

// First fit. The allocation is the tail of the free chunk. A chunk without room
// in front of the aligned payload's header is taken whole.
uint64_t Shalloc::TakeLocked(const Thread& self, uint64_t size,
                             uint64_t alignment) {
  latch().AssertHeld(self);
  const uint32_t tag = self.process;
  MPOOL_ASSERT(tag >= 1 && tag <= kMaxProcesses);
  MPOOL_ASSERT(size != 0 && size % kUnit == 0);
  MPOOL_ASSERT(alignment >= kUnit && (alignment & (alignment - 1)) == 0);
  RegionHeader* header = memory_.header();
  std::atomic<uint64_t>* link = &header->heap_free;
  for (uint64_t at = link->load(std::memory_order_relaxed); at != 0;
       link = &At(at)->next, at = link->load(std::memory_order_relaxed)) {
    Chunk* chunk = At(at);
    const uint64_t seen = chunk->word.load(std::memory_order_relaxed);
    const uint64_t chunk_size = SizeOfWord(seen);
    if (chunk_size < kHeader + size) continue;
    const uint64_t end = at + chunk_size;
    const uint64_t payload = (end - size) / alignment * alignment;
    if (payload < at + kHeader) continue;
    const uint64_t start = payload - kHeader;
    MPOOL_ASSERT(payload % alignment == 0 && payload + size <= end);
    Chunk* taken = At(start);
    const uint64_t word = Word(end - start, kStateUsed, tag);
    const uint64_t rest = Word(start - at, kStateFree, 0);
    CheckChunkTransition(start == at ? seen : 0, word);
    if (start != at) CheckChunkTransition(seen, rest);
    MPOOL_STEP("region.heap.take");
    if (start == at) {
      link->store(chunk->next.load(std::memory_order_relaxed),
                  std::memory_order_relaxed);
      MPOOL_STEP("region.heap.unlinked");
      taken->next.store(kCheck ^ start, std::memory_order_relaxed);
      taken->word.store(word, std::memory_order_release);
    } else {
      taken->next.store(kCheck ^ start, std::memory_order_relaxed);
      taken->word.store(word, std::memory_order_relaxed);
      MPOOL_STEP("region.heap.split");
      chunk->word.store(rest, std::memory_order_release);
    }
    MPOOL_STEP("region.heap.taken");
    return payload;
  }
  return 0;
}

absl::Status Shalloc::GrowLocked(const Thread& self, uint64_t size,
                                 uint64_t alignment) {
  latch().AssertHeld(self);
  RegionHeader* header = memory_.header();
  const uint64_t old_end = header->heap_end.load(std::memory_order_relaxed);
  const uint64_t more =
      os::RoundUp(size + alignment + 2 * kHeader, kGrowBytes);
  MPOOL_RETURN_IF_ERROR(memory_.Grow(self, old_end + more));
  // Publish the new end after the chunk in front of it is whole.
  Chunk* chunk = At(old_end);
  const uint64_t word = Word(more, kStateFree, 0);
  CheckChunkTransition(0, word);
  chunk->next.store(0, std::memory_order_relaxed);
  chunk->word.store(word, std::memory_order_relaxed);
  MPOOL_STEP("region.heap.grow");
  header->heap_end.store(old_end + more, std::memory_order_release);
  MPOOL_STEP("region.heap.grown");
  Rebuild();
  return absl::OkStatus();
}

absl::StatusOr<uint64_t> Shalloc::Allocate(const Thread& self, uint64_t size,
                                           uint64_t alignment) {
  const uint64_t limit = memory_.mapping_bytes();
  if (size == 0 || size > limit || alignment < kUnit ||
      alignment > kMaxAlignment || (alignment & (alignment - 1)) != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("allocate in region: size ", size, " with alignment ",
                     alignment, " is out of range"));
  }
  size = os::RoundUp(size, kUnit);
  uint64_t payload = 0;
  {
    LatchGuard guard(self, latch());
    payload = TakeLocked(self, size, alignment);
    if (payload == 0) {
      MPOOL_RETURN_IF_ERROR(GrowLocked(self, size, alignment));
      payload = TakeLocked(self, size, alignment);
    }
  }
  if (payload == 0) {
    return absl::ResourceExhaustedError(
        absl::StrCat("allocate in region: no room for ", size, " bytes"));
  }
  MPOOL_ASSERT(SizeOf(payload) >= size);
  std::memset(memory_.base() + payload, 0, size);
  return payload;
}

absl::StatusOr<uint64_t> Shalloc::AllocateLinked(
    const Thread& self, uint64_t size, uint64_t alignment,
    std::atomic<uint64_t>* place,
    const std::function<void(uint64_t)>& prepare, uint64_t replaced) {
  MPOOL_ASSIGN_OR_RETURN(const uint64_t payload,
                         Allocate(self, size, alignment));
  if (prepare != nullptr) prepare(payload);
  MPOOL_ASSERT(place != nullptr && self.slot != nullptr);
  self.slot->intent_place.store(memory_.OffsetOf(place),
                                std::memory_order_relaxed);
  self.slot->intent_chunk.store(payload, std::memory_order_release);
  if (SizeOf(replaced) == 0) replaced = 0;
  if (replaced != 0) SetTag(replaced, self.process);
  MPOOL_STEP("region.heap.link");
  place->store(payload, std::memory_order_release);
  MPOOL_STEP("region.heap.linked");
  Publish(payload);
  if (replaced != 0) MPOOL_RETURN_IF_ERROR(Free(self, replaced));
  self.slot->intent_chunk.store(0, std::memory_order_release);
  MPOOL_STEP("region.heap.settled");
  return payload;
}

void Shalloc::FreeLinked(const Thread& self, std::atomic<uint64_t>* place,
                         uint64_t next) {
  MPOOL_ASSERT(place != nullptr && self.slot != nullptr);
  const uint64_t payload = place->load(std::memory_order_relaxed);
  const bool is_chunk = SizeOf(payload) != 0;
  self.slot->intent_place.store(memory_.OffsetOf(place),
                                std::memory_order_relaxed);
  self.slot->intent_chunk.store(payload, std::memory_order_release);
  if (is_chunk) SetTag(payload, self.process);
  MPOOL_STEP("region.heap.drop");
  place->store(next, std::memory_order_release);
  MPOOL_STEP("region.heap.dropped");
  if (is_chunk) static_cast<void>(Free(self, payload));
  self.slot->intent_chunk.store(0, std::memory_order_release);
  MPOOL_STEP("region.heap.forgotten");
}

void Shalloc::SetTag(uint64_t offset, uint32_t process) {
  MPOOL_ASSERT(offset >= sizeof(RegionHeader) && offset % kUnit == 0);
  MPOOL_ASSERT(process <= kMaxProcesses);
  Chunk* chunk = At(offset - kHeader);
  const uint64_t seen = chunk->word.load(std::memory_order_relaxed);
  MPOOL_ASSERT(IsUsed(seen));
  const uint64_t word = Word(SizeOfWord(seen), kStateUsed, process);
  CheckChunkTransition(seen, word);
  chunk->word.store(word, std::memory_order_release);
  MPOOL_STEP("region.heap.tagged");
}

uint64_t Shalloc::SizeOf(uint64_t offset) const {
  const RegionHeader* header = memory_.header();
  const uint64_t begin = header->heap_begin.load(std::memory_order_acquire);
  const uint64_t end = header->heap_end.load(std::memory_order_acquire);
  if (offset % kUnit != 0 || offset < begin + kHeader || offset >= end) {
    return 0;
  }
  const Chunk* chunk = At(offset - kHeader);
  const uint64_t word = chunk->word.load(std::memory_order_acquire);
  const uint64_t size = SizeOfWord(word);
  if (!IsUsed(word) || size < kHeader || size > end - (offset - kHeader) ||
      chunk->next.load(std::memory_order_relaxed) !=
          (kCheck ^ (offset - kHeader))) {
    return 0;
  }
  return size - kHeader;
}

absl::Status Shalloc::Free(const Thread& self, uint64_t offset) {
  LatchGuard guard(self, latch());
  if (SizeOf(offset) == 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        "free in region: offset ", offset,
        " is not an allocation in use (freed twice, or never allocated)"));
  }
  FreeLocked(self, offset - kHeader);
  return absl::OkStatus();
}

void Shalloc::FreeLocked(const Thread& self, uint64_t at) {
  latch().AssertHeld(self);
  RegionHeader* header = memory_.header();
  Chunk* chunk = At(at);
  const uint64_t seen = chunk->word.load(std::memory_order_relaxed);
  uint64_t size = SizeOfWord(seen);
  CheckChunkTransition(seen, Word(size, kStateFree, 0));
  uint64_t before = 0;
  uint64_t after = header->heap_free.load(std::memory_order_relaxed);
  while (after != 0 && after < at) {
    before = after;
    after = At(after)->next.load(std::memory_order_relaxed);
  }
  MPOOL_STEP("region.heap.free");
  chunk->word.store(Word(size, kStateFree, 0), std::memory_order_release);
  MPOOL_STEP("region.heap.freed");
  MPOOL_ASSERT(before < at && (after == 0 || after > at));
  chunk->next.store(after, std::memory_order_relaxed);
  if (after == at + size) {
    const Chunk* next = At(after);
    const uint64_t alone = Word(size, kStateFree, 0);
    size += SizeOfWord(next->word.load(std::memory_order_relaxed));
    CheckChunkTransition(alone, Word(size, kStateFree, 0));
    chunk->next.store(next->next.load(std::memory_order_relaxed),
                      std::memory_order_relaxed);
    chunk->word.store(Word(size, kStateFree, 0), std::memory_order_release);
    MPOOL_STEP("region.heap.merged");
  }
  if (before == 0) {
    header->heap_free.store(at, std::memory_order_relaxed);
    return;
  }
  Chunk* previous = At(before);
  const uint64_t previous_word =
      previous->word.load(std::memory_order_relaxed);
  const uint64_t previous_size = SizeOfWord(previous_word);
  if (before + previous_size == at) {
    CheckChunkTransition(previous_word,
                         Word(previous_size + size, kStateFree, 0));
    previous->next.store(chunk->next.load(std::memory_order_relaxed),
                         std::memory_order_relaxed);
    previous->word.store(Word(previous_size + size, kStateFree, 0),
                         std::memory_order_release);
    MPOOL_STEP("region.heap.merged_back");
  } else {
    previous->next.store(at, std::memory_order_relaxed);
  }
}

void Shalloc::Rebuild() {
  RegionHeader* header = memory_.header();
  const uint64_t end = header->heap_end.load(std::memory_order_acquire);
  uint64_t last_free = 0;
  uint64_t first_free = 0;
  for (uint64_t at = header->heap_begin.load(std::memory_order_relaxed);
       at < end;) {
    Chunk* chunk = At(at);
    const uint64_t word = chunk->word.load(std::memory_order_relaxed);
    const uint64_t size = SizeOfWord(word);
    if (size == 0 || size > end - at) break;  // damaged: the walk ends
    if (IsFree(word)) {
      if (last_free != 0 &&
          last_free + SizeOfWord(At(last_free)->word.load(
                          std::memory_order_relaxed)) == at) {
        Chunk* previous = At(last_free);
        const uint64_t merged = Word(at + size - last_free, kStateFree, 0);
        CheckChunkTransition(previous->word.load(std::memory_order_relaxed),
                             merged);
        previous->word.store(merged, std::memory_order_release);
        MPOOL_STEP("region.mend.merged");
      } else {
        chunk->next.store(0, std::memory_order_relaxed);
        if (last_free == 0) {
          first_free = at;
        } else {
          At(last_free)->next.store(at, std::memory_order_relaxed);
        }
        last_free = at;
      }
    }
    at += size;
  }
  header->heap_free.store(first_free, std::memory_order_relaxed);
}

HeapStats Shalloc::Stats(const Thread& self) {
  LatchGuard guard(self, latch());
  return Survey();
}

HeapStats Shalloc::Survey() const {
  const RegionHeader* header = memory_.header();
  const uint64_t end = header->heap_end.load(std::memory_order_acquire);
  HeapStats stats;
  if (!memory_.Contains(0, end)) return stats;
  for (uint64_t at = header->heap_begin.load(std::memory_order_relaxed);
       at < end;) {
    const uint64_t word = At(at)->word.load(std::memory_order_acquire);
    const uint64_t size = SizeOfWord(word);
    if (size == 0 || size > end - at) break;
    if (IsFree(word)) {
      ++stats.free_chunks;
      stats.free_bytes += size;
      stats.largest_free_bytes = std::max(stats.largest_free_bytes, size);
    } else {
      ++stats.used_chunks;
      stats.used_bytes += size;
    }
    at += size;
  }
  return stats;
}

void Shalloc::Repair(const RepairPass& pass,
                     const std::function<bool(uint64_t)>& is_linked) {
  MPOOL_ASSERT(pass.process >= 1 && pass.process <= kMaxProcesses);
  MPOOL_ASSERT(is_linked != nullptr);
  RegionHeader* header = memory_.header();
  const uint32_t owner = latch().owner();
  if (!pass.IsDead(owner) || !latch().TakeOver(owner, pass.self)) {
    latch().Lock(pass.self);
  }
  const uint64_t end = header->heap_end.load(std::memory_order_acquire);
  for (uint64_t at = header->heap_begin.load(std::memory_order_relaxed);
       at < end;) {
    Chunk* chunk = At(at);
    const uint64_t word = chunk->word.load(std::memory_order_acquire);
    const uint64_t size = SizeOfWord(word);
    if (size == 0 || size > end - at) break;
    if (IsUsed(word) && TagOfWord(word) == pass.process) {
      if (is_linked(at + kHeader)) {
        Publish(at + kHeader);
      } else {
        const uint64_t free = Word(size, kStateFree, 0);
        CheckChunkTransition(word, free);
        chunk->word.store(free, std::memory_order_release);
        MPOOL_STEP("region.mend.chunk");
      }
    }
    at += size;
  }
  Rebuild();
  latch().Unlock(pass.self);
}

absl::Status Shalloc::CheckChunks() const {
  const RegionHeader* header = memory_.header();
  const uint64_t end = header->heap_end.load(std::memory_order_acquire);
  uint64_t at = header->heap_begin.load(std::memory_order_relaxed);
  bool whole = at == sizeof(RegionHeader) && end % kUnit == 0 &&
               memory_.Contains(0, end);
  while (whole && at < end) {
    const uint64_t word = At(at)->word.load(std::memory_order_relaxed);
    const uint64_t size = SizeOfWord(word);
    whole = size != 0 && size <= end - at &&
            (IsFree(word) || SizeOf(at + kHeader) == size - kHeader);
    if (whole) at += size;
  }
  if (whole && at == end) return absl::OkStatus();
  return absl::DataLossError(
      absl::StrCat("its heap is damaged at offset ", at));
}

void Shalloc::Sweep(const Reachable& reached) {
  MPOOL_ASSERT(CheckChunks().ok());
  const RegionHeader* header = memory_.header();
  const uint64_t end = header->heap_end.load(std::memory_order_acquire);
  for (uint64_t at = header->heap_begin.load(std::memory_order_relaxed);
       at < end;) {
    Chunk* chunk = At(at);
    const uint64_t word = chunk->word.load(std::memory_order_relaxed);
    const uint64_t size = SizeOfWord(word);
    if (IsUsed(word)) {
      const bool kept = reached.Has(at + kHeader);
      const uint64_t next = Word(size, kept ? kStateUsed : kStateFree, 0);
      CheckChunkTransition(word, next);
      chunk->word.store(next, std::memory_order_release);
    }
    MPOOL_STEP("region.adopt.chunk");
    at += size;
  }
  Rebuild();
}

absl::Status Shalloc::Check(const Thread& self) {
  LatchGuard guard(self, latch());
  const RegionHeader* header = memory_.header();
  const uint64_t end = header->heap_end.load(std::memory_order_acquire);
  uint64_t at = header->heap_begin.load(std::memory_order_relaxed);
  uint64_t expected_free = header->heap_free.load(std::memory_order_relaxed);
  bool previous_free = false;
  while (at < end) {
    const Chunk* chunk = At(at);
    const uint64_t word = chunk->word.load(std::memory_order_relaxed);
    const uint64_t size = SizeOfWord(word);
    if (size == 0 || size > end - at) {
      return absl::InternalError(absl::StrCat("heap: chunk at ", at,
                                              " has size ", size));
    }
    if (IsFree(word)) {
      if (at != expected_free) {
        return absl::InternalError(absl::StrCat(
            "heap: free chunk at ", at, ", the list has ", expected_free));
      }
      if (previous_free) {
        return absl::InternalError(
            absl::StrCat("heap: free chunk at ", at, " was not merged"));
      }
      expected_free = chunk->next.load(std::memory_order_relaxed);
    } else if (!IsUsed(word)) {
      return absl::InternalError(
          absl::StrCat("heap: chunk at ", at, " has no state"));
    }
    previous_free = IsFree(word);
    at += size;
  }
  if (at != end || expected_free != 0) {
    return absl::InternalError("heap: chunks or free list do not end well");
  }
  return absl::OkStatus();
}

}  // namespace mpool::region
