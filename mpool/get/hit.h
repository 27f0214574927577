// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// hit.h - the hit path: gets and puts a page that is in memory and that no
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

#include "mpool/pool/pool.h"
#include "os/step.h"

namespace mpool::internal {

// Gets the page if the frame holds it and no other thread blocks it.
[[gnu::always_inline]] inline absl::StatusOr<ReadPage> Pool::TryHit(
    ThreadContext& self, const OpenedFile& file, uint64_t key,
    const GetOptions& options, FrameIndex frame) {
  region::ThreadSlot& slot = *self.thread.slot;
  EntryWord* entry = Ledger::UsedFreeEntry(slot);
  if (entry == nullptr) [[unlikely]] {
    return GetSlow(file, PageKey::Page(key), options, nullptr);
  }
  BufferHeader& header = hash_.header(frame);
  __builtin_prefetch(&header);  // loads it while the exchange waits
  MPOOL_STEP("mpool.get.publish");
  Ledger::Publish(entry, frame, ModeOf(options));
  MPOOL_STEP("mpool.get.published");
  if (NeedsSlowPath(header, key) ||
      panic_->load(std::memory_order_relaxed) != 0) [[unlikely]] {
    return GetSlow(file, PageKey::Page(key), options, entry);
  }
  ThreadContext::Count(slot, Counter::hits);
  if (!options.scan && NoteHit(self, header)) [[unlikely]] {
    return FlushHits(self, header, entry);
  }
  return ReadPage(MakePin(self, header, entry));
}

[[gnu::always_inline]] inline absl::StatusOr<ReadPage> Pool::Get(
    const OpenedFile& file, PageNo page, const GetOptions& options) {
  if (!IsCached() || page > kMaxPageNo) [[unlikely]] {
    return GetSlow(file, page, options, nullptr);
  }
  const uint64_t key = PageKey::Make(file.file_key, page);
  const FrameIndex frame = hash_.FindAtHome(HashTable::Hash(key));
  if (frame == 0) return GetFromBucket(file, page, options);
  return TryHit(*last_context.context, file, key, options, frame);
}

inline void Pool::PutShared(const Pin& pin) {
  // A forked child's copy of a guard is not its own.
  if (pin.generation != generation()) return;
  MPOOL_STEP("mpool.put.shared");
  latch_.Withdraw(*pin.header, pin.entry);
  MPOOL_STEP("mpool.put.withdrawn");
}

}  // namespace mpool::internal

#endif  // MPOOL_MPOOL_GET_HIT_H_
