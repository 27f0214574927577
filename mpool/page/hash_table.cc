// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "mpool/page/hash_table.h"

#include "os/assert.h"
#include "os/step.h"

namespace mpool::internal {
namespace {

// Distance in buckets from the current bucket to the prefetched one.
constexpr uint32_t kAhead = 8;

}  // namespace

uint32_t HashTable::BucketsFor(uint64_t frames) {
  return static_cast<uint32_t>(std::max<uint64_t>(1, (frames + 2) / 3));
}

Bucket* HashTable::Next(const Bucket& line) const {
  const uint64_t index = line.overflow.load(std::memory_order_acquire);
  return index == 0 ||
                 !memory_.Contains(index * kLineBytes, sizeof(Bucket))
             ? nullptr
             : memory_.At<Bucket>(index * kLineBytes);
}

FrameIndex HashTable::Find(uint64_t hash, PageKey key) const {
  MPOOL_ASSERT(count_ != 0);
  for (const Bucket* line = &buckets_[IndexOf(hash)]; line != nullptr;
       line = Next(*line)) {
    for (const std::atomic<uint64_t>& slot : line->slots) {
      const uint64_t word = slot.load(std::memory_order_acquire);
      if ((word & kTagMask) == TagOf(hash) && Matches(word, key)) {
        return Frame(word);
      }
    }
  }
  return kNoFrame;
}

bool HashTable::Insert(uint64_t hash, FrameIndex frame) {
  MPOOL_ASSERT(count_ != 0);
  MPOOL_ASSERT(!frame.is_none());
  MPOOL_ASSERT(HomeOf(hash) < kBucketSlots);
  const uint64_t word = TagOf(hash) | uint64_t{frame.value()} << 4;
  for (Bucket* line = &bucket(hash); line != nullptr; line = Next(*line)) {
    for (uint32_t i = 0; i < kBucketSlots; ++i) {
      std::atomic<uint64_t>& slot =
          line->slots[(HomeOf(hash) + i) % kBucketSlots];
      if (slot.load(std::memory_order_relaxed) != 0) continue;
      MPOOL_STEP("mpool.hash.insert");
      slot.store(word, std::memory_order_release);
      MPOOL_STEP("mpool.hash.inserted");
      return true;
    }
  }
  return false;
}

void HashTable::InsertWithLine(uint64_t hash, FrameIndex frame,
                               uint64_t offset) {
  MPOOL_ASSERT(!frame.is_none());
  MPOOL_ASSERT(offset % kLineBytes == 0);
  MPOOL_ASSERT(memory_.Contains(offset, sizeof(Bucket)));
  Bucket* last = &bucket(hash);
  while (Bucket* next = Next(*last)) last = next;
  memory_.At<Bucket>(offset)->slots[0].store(
      TagOf(hash) | uint64_t{frame.value()} << 4, std::memory_order_relaxed);
  MPOOL_STEP("mpool.hash.overflow");
  last->overflow.store(static_cast<uint32_t>(offset / kLineBytes),
                       std::memory_order_release);
  MPOOL_STEP("mpool.hash.overflowed");
  memory_.heap().Publish(offset);
}

bool HashTable::Names(uint64_t hash, FrameIndex frame) const {
  MPOOL_ASSERT(!frame.is_none());
  for (const Bucket* line = &buckets_[IndexOf(hash)]; line != nullptr;
       line = Next(*line)) {
    for (const std::atomic<uint64_t>& slot : line->slots) {
      const uint64_t word = slot.load(std::memory_order_acquire);
      if (word != 0 && Frame(word) == frame) return true;
    }
  }
  return false;
}

bool HashTable::Remove(uint64_t hash, FrameIndex frame) {
  MPOOL_ASSERT(count_ != 0);
  MPOOL_ASSERT(!frame.is_none());
  for (Bucket* line = &bucket(hash); line != nullptr; line = Next(*line)) {
    for (std::atomic<uint64_t>& slot : line->slots) {
      const uint64_t word = slot.load(std::memory_order_relaxed);
      if (word == 0 || Frame(word) != frame) continue;
      MPOOL_STEP("mpool.hash.remove");
      slot.store(0, std::memory_order_release);
      MPOOL_STEP("mpool.hash.removed");
      return true;
    }
  }
  return false;
}

uint64_t HashTable::ReleaseDead(const region::RepairPass& pass) {
  uint64_t released = 0;
  for (uint32_t i = 0; i < count_; ++i) {
    const uint32_t owner = buckets_[i].latch.owner();
    if (owner == 0 || !pass.IsDead(owner)) continue;
    for (Bucket* line = Next(buckets_[i]); line != nullptr;
         line = Next(*line)) {
      memory_.heap().Publish(memory_.OffsetOf(line));
    }
    if (buckets_[i].latch.ReleaseDead(owner)) ++released;
  }
  return released;
}

// Cuts overflow lines that are not separate chunks. Empties each slot that does
// not name a frame of `unnamed` by the frame's key. Removes each frame that a
// slot names correctly from `unnamed`.
// no step below: no other process is attached; see adoption.h.
void HashTable::Adopt(FrameSet* unnamed, region::Reachable* reached,
                      RepairReport* report) {
  MPOOL_ASSERT(unnamed != nullptr && reached != nullptr);
  MPOOL_ASSERT(report != nullptr);
  for (uint32_t i = 0; i < count_; ++i) {
    PrefetchHeaders(i + kAhead);
    if (buckets_[i].latch.Reset()) ++report->latches;
    for (Bucket* line = &buckets_[i]; line != nullptr; line = Next(*line)) {
      for (std::atomic<uint64_t>& slot : line->slots) {
        const uint64_t word = slot.load(std::memory_order_relaxed);
        if (word != 0 && !TakesOut(i, word, unnamed)) slot.store(0);
      }
      const uint64_t next = uint64_t{line->overflow.load()} * kLineBytes;
      if (next != 0 && !reached->Add(next, sizeof(Bucket))) {
        line->overflow.store(0);
        ++report->damaged;
      }
    }
  }
}

void HashTable::PrefetchHeaders(uint32_t bucket) const {
  if (bucket >= count_) return;
  for (const std::atomic<uint64_t>& slot : buckets_[bucket].slots) {
    const uint64_t word = slot.load(std::memory_order_relaxed);
    if (word != 0) __builtin_prefetch(&header(Frame(word)));
  }
}

bool HashTable::TakesOut(uint32_t bucket, uint64_t word,
                         FrameSet* unnamed) const {
  const FrameIndex frame = Frame(word);
  if (!unnamed->Has(frame)) return false;
  const uint64_t hash = Hash(header(frame).LoadKey());
  if (IndexOf(hash) != bucket || (word & kTagMask) != TagOf(hash)) {
    return false;
  }
  unnamed->Remove(frame);
  return true;
}

}  // namespace mpool::internal
