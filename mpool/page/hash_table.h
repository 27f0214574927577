// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// hash_table.h - map from page key to frame: buckets of one cache line each.
//
// Concurrency: Find takes no latch. A slot changes by one 8-byte store. A stale
//              miss sends the reader to the miss path, which searches again
//              under the bucket latch. The key check on the header detects a
//              stale hit. Insert, InsertWithLine, Remove and Names need the
//              bucket's latch.
// Invariants:  H1 a key has at most one slot. H2 the frame that a slot names
//              has that key in its header, except frames that are LOADING
//              or EVICTING. H3 entries never move between buckets.
// Crash:       slots are always whole, so repair simply releases the latch of
//              a dead owner. Before that it removes the owner tag from the
//              bucket's lines. An overflow line that was not linked yet is
//              freed by its tag.
// Lock rank:   kBucket; no latch is taken under it.

#ifndef MPOOL_MPOOL_PAGE_HASH_TABLE_H_
#define MPOOL_MPOOL_PAGE_HASH_TABLE_H_

#include <atomic>
#include <cstdint>

#include "mpool/page/buffer_header.h"
#include "mpool/page/frame_set.h"
#include "os/assert.h"
#include "region/memory.h"
#include "region/repair_pass.h"

namespace mpool::internal {

inline constexpr uint32_t kBucketSlots = 7;

// Slot: tag 28 | frame 32 | used 4; 0 is empty. A full bucket continues in an
// overflow line of the same shape. The latch of the first line covers all.
// SHARED
struct alignas(kLineBytes) Bucket {
  region::RankedLatch<region::LockRank::kBucket> latch;
  std::atomic<uint32_t> overflow;  // offset of the next line / 64, or 0
  std::atomic<uint64_t> slots[kBucketSlots];
};
static_assert(sizeof(Bucket) == 64);

class HashTable {
 public:
  explicit HashTable(region::Memory& memory) : memory_(memory) {}

  // Returns the number of buckets for `frames` frames: three frames to a
  // bucket.
  static uint32_t BucketsFor(uint64_t frames);
  // Attaches to the table of `count` buckets at region offset `buckets`. Stores
  // nothing if the table is attached already, because gets may be using it.
  void Attach(uint64_t buckets, uint32_t count) {
    MPOOL_ASSERT(count != 0);
    MPOOL_ASSERT(buckets != 0 && buckets % kLineBytes == 0);
    // Two threads may attach at once.
    auto set = []<class T>(T& place, T value) {
      std::atomic_ref<T> at(place);
      if (at.load(std::memory_order_relaxed) != value) {
        at.store(value, std::memory_order_relaxed);
      }
    };
    set(base_, memory_.base());
    set(buckets_, memory_.At<Bucket>(buckets));
    set(count_, count);
  }
  uint32_t size() const { return count_; }

  // Returns a fixed mix of the key, because every process must find the same
  // bucket.
  static uint64_t Hash(PageKey key) {
    uint64_t h = key.bits() * 0x9e3779b97f4a7c15;
    h ^= h >> 32;
    return h * 0xd6e8feb86659fd93;
  }

  // Returns the frame with the key: its slot has the key's tag and its header
  // the key. Returns kNoFrame if there is none.
  FrameIndex Find(uint64_t hash, PageKey key) const;
  // Returns the frame in the key's home slot if the slot has the key's tag,
  // else kNoFrame. The caller must check the header's key.
  FrameIndex FindAtHome(uint64_t hash) const {
    const uint64_t word = buckets_[IndexOf(hash)].slots[HomeOf(hash)].load(
        std::memory_order_acquire);
    return (word & kTagMask) == TagOf(hash) ? Frame(word) : kNoFrame;
  }

  // Returns the base of the region, with one load less.
  std::byte* base() const { return base_; }
  BufferHeader& header(FrameIndex frame) const {
    return *reinterpret_cast<BufferHeader*>(base_ + frame.offset());
  }

  Bucket& bucket(uint64_t hash) { return buckets_[IndexOf(hash)]; }

  // REQUIRES (all): the bucket's latch (not checkable: an adopter and the
  // tests work without it). Insert returns false if the bucket is full. The
  // caller then releases the latch, allocates a line, latches again and calls
  // InsertWithLine.
  bool Insert(uint64_t hash, FrameIndex frame);
  void InsertWithLine(uint64_t hash, FrameIndex frame, uint64_t line);
  // Empties the slot that names `frame`. Returns false if there is none.
  bool Remove(uint64_t hash, FrameIndex frame);
  // True if a slot of the bucket names `frame`.
  bool Names(uint64_t hash, FrameIndex frame) const;

  // Releases every bucket latch of a dead thread and returns their number; for
  // repair only.
  uint64_t ReleaseDead(const region::RepairPass& pass);

  // REQUIRES: no other process is attached (not checkable: see
  // Adoption::Run).
  void Adopt(FrameSet* unnamed, region::Reachable* reached,
             RepairReport* report);

 private:
  void PrefetchHeaders(uint32_t bucket) const;
  bool TakesOut(uint32_t bucket, uint64_t word, FrameSet* unnamed) const;

  static constexpr uint64_t kUsed = 1;
  static constexpr uint64_t kTagMask = ~uint64_t{0} << 36 | 0xf;

  // Returns the home slot of a key: used if it is free. Four of five keys are
  // in their home slot.
  static uint32_t HomeOf(uint64_t hash) {
    return static_cast<uint32_t>((hash & ~uint32_t{0}) * kBucketSlots >> 32);
  }
  static uint64_t TagOf(uint64_t hash) { return hash << 36 | kUsed; }
  static FrameIndex Frame(uint64_t word) {
    return FrameIndex(static_cast<uint32_t>(word >> 4));
  }
  uint32_t IndexOf(uint64_t hash) const {
    return static_cast<uint32_t>((hash >> 32) * count_ >> 32);
  }
  bool Matches(uint64_t word, PageKey key) const {
    return header(Frame(word)).LoadKey(std::memory_order_relaxed) == key;
  }
  Bucket* Next(const Bucket& line) const;

  region::Memory& memory_;
  std::byte* base_ = nullptr;
  Bucket* buckets_ = nullptr;
  uint32_t count_ = 0;
};

}  // namespace mpool::internal

#endif  // MPOOL_MPOOL_PAGE_HASH_TABLE_H_
