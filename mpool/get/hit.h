// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// hit.h - the hit path: gets a page that is in memory and that no
// thread changes.
//
// Stores:      to the thread's own ledger line and counters, and to nothing
//              that another thread's hits touch, once the page is warm (HINT
//              and the reference word are set). The only locked instruction is
//              the exchange that publishes the ledger entry.
// Shape:       the expected case runs straight through. Every other case is a
//              tail call, so that the path keeps no state across a call.

#ifndef MPOOL_MPOOL_GET_HIT_H_
#define MPOOL_MPOOL_GET_HIT_H_

#include "mpool/get/getter.h"
#include "os/assert.h"
#include "os/step.h"

namespace mpool::internal {

// Notes a hit for the policy: the one place that sees every hit. Sampling and
// recording hook in here, by a batch that is flushed. Returns true if the
// thread's batch of hits is full and must be applied now.
inline bool Getter::NoteHit(ThreadContext& self, BufferHeader& header) {
  if (header.reference.load(std::memory_order_relaxed) == 0) {
    header.reference.store(1, std::memory_order_relaxed);
  }
  if (!wants_hits_) return false;
  MPOOL_ASSERT(self.hit_count < self.hits.size());
  self.hits[self.hit_count++] = frames_.IndexOf(header);
  return self.hit_count == self.hits.size();
}

inline Pin Getter::MakePin(const ThreadContext& self, BufferHeader& header,
                           EntryWord* entry) {
  const uint64_t place = header.place.load(std::memory_order_relaxed);
  MPOOL_ASSERT(entry != nullptr);
  Pin pin;
  pin.putter = &putter_;
  pin.entry = entry;
  pin.header = &header;
  pin.data = hash_.base() + (place >> 8);
  pin.size = PageClass(static_cast<uint32_t>(place & 0x7)).bytes();
  pin.generation = self.generation;
  return pin;
}

// Gets the page if the frame holds it and no other thread blocks it.
[[gnu::always_inline]] inline absl::StatusOr<ReadPage> Getter::TryHit(
    ThreadContext& self, const OpenedFile& file, PageKey key,
    const GetOptions& options, FrameIndex frame) {
  MPOOL_ASSERT(self.thread.slot != nullptr && !frame.is_none());
  region::ThreadSlot& slot = *self.thread.slot;
  EntryWord* entry = Ledger::UsedFreeEntry(slot);
  if (entry == nullptr) [[unlikely]] {
    return GetSlow(file, key.page(), options, nullptr);
  }
  BufferHeader& header = hash_.header(frame);
  __builtin_prefetch(&header);  // loads it while the exchange waits
  MPOOL_STEP("mpool.get.publish");
  Ledger::Publish(entry, frame, ModeOf(options));
  MPOOL_STEP("mpool.get.published");
  if (NeedsSlowPath(header, key) ||
      panic_word_->load(std::memory_order_relaxed) != 0) [[unlikely]] {
    return GetSlow(file, key.page(), options, entry);
  }
  ThreadContext::Count(slot, Counter::hits);
  if (!options.scan && NoteHit(self, header)) [[unlikely]] {
    return FlushHits(self, header, entry);
  }
  return ReadPage(MakePin(self, header, entry));
}

[[gnu::always_inline]] inline absl::StatusOr<ReadPage> Getter::Get(
    const OpenedFile& file, PageNo page, const GetOptions& options) {
  if (last_context.generation != putter_.generation() || page > kMaxPageNo)
      [[unlikely]] {
    return GetSlow(file, page, options, nullptr);
  }
  MPOOL_ASSERT(last_context.context != nullptr);
  const PageKey key = PageKey::Make(file.file_key, page);
  const FrameIndex frame = hash_.FindAtHome(HashTable::Hash(key));
  if (frame.is_none()) return GetFromBucket(file, page, options);
  return TryHit(*last_context.context, file, key, options, frame);
}

}  // namespace mpool::internal

#endif  // MPOOL_MPOOL_GET_HIT_H_
