// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "mpool/page/hash_table.h"

#include "os/step.h"

namespace mpool::internal {

uint32_t HashTable::BucketsFor(uint64_t frames) {
  return static_cast<uint32_t>(std::max<uint64_t>(1, (frames + 2) / 3));
}

Bucket* HashTable::Next(const Bucket& line) const {
  const uint64_t index = line.overflow.load(std::memory_order_acquire);
  return index == 0 || !region_.Contains(index * kLineBytes, sizeof(Bucket))
             ? nullptr
             : region_.At<Bucket>(index * kLineBytes);
}

FrameIndex HashTable::Find(uint64_t hash, uint64_t key) const {
  for (const Bucket* line = &buckets_[IndexOf(hash)]; line != nullptr;
       line = Next(*line)) {
    for (const std::atomic<uint64_t>& slot : line->slots) {
      const uint64_t word = slot.load(std::memory_order_acquire);
      if ((word & kTagMask) == TagOf(hash) && Matches(word, key)) {
        return Frame(word);
      }
    }
  }
  return 0;
}

bool HashTable::Insert(uint64_t hash, FrameIndex frame) {
  const uint64_t word = TagOf(hash) | uint64_t{frame} << 4;
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
  Bucket* last = &bucket(hash);
  while (Bucket* next = Next(*last)) last = next;
  region_.At<Bucket>(offset)->slots[0].store(
      TagOf(hash) | uint64_t{frame} << 4, std::memory_order_relaxed);
  MPOOL_STEP("mpool.hash.overflow");
  last->overflow.store(static_cast<uint32_t>(offset / kLineBytes),
                       std::memory_order_release);
  MPOOL_STEP("mpool.hash.overflowed");
  region_.heap().Publish(offset);
}

bool HashTable::Names(uint64_t hash, FrameIndex frame) const {
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

uint64_t HashTable::ReleaseDead(
    const std::function<bool(uint32_t)>& is_dead) {
  uint64_t released = 0;
  for (uint32_t i = 0; i < count_; ++i) {
    const uint32_t owner = buckets_[i].latch.owner();
    if (owner == 0 || !is_dead(owner)) continue;
    for (Bucket* line = Next(buckets_[i]); line != nullptr;
         line = Next(*line)) {
      region_.heap().Publish(region_.OffsetOf(line));
    }
    if (buckets_[i].latch.ReleaseDead(owner)) ++released;
  }
  return released;
}

}  // namespace mpool::internal
