// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "mpool/page/ledger.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace mpool::internal {

absl::StatusOr<EntryWord*> Ledger::FreeOverflowEntry(
    const region::Thread& self) {
  std::atomic<uint64_t>* link = &self.slot->overflow;
  for (uint32_t held = kLedgerEntries; held < kMaxPinsPerThread;
       held += kLedgerOverflowEntries) {
    if (link->load(std::memory_order_relaxed) == 0) {
      MPOOL_RETURN_IF_ERROR(
          memory_.heap()
              .AllocateLinked(self, sizeof(region::LedgerOverflow), 64, link)
              .status());
    }
    auto* block = memory_.At<region::LedgerOverflow>(
        link->load(std::memory_order_relaxed));
    const uint32_t room =
        std::min(kLedgerOverflowEntries, kMaxPinsPerThread - held);
    for (uint32_t i = 0; i < room; ++i) {
      EntryWord& entry = block->entries[i];
      if (entry.load(std::memory_order_relaxed) == 0) return &entry;
    }
    link = &block->next;
  }
  return absl::ResourceExhaustedError(
      absl::StrCat("this thread holds ", kMaxPinsPerThread,
                   " pages already; put some"));
}

std::optional<Holder> Ledger::FindOther(FrameIndex frame, const EntryWord* own,
                                        std::optional<Mode> only) const {
  MPOOL_ASSERT(!frame.is_none());
  std::optional<Holder> found;
  members_.ForEachThread(
      [&](uint32_t id, region::ThreadSlot& slot, region::ThreadWord) {
        if (found.has_value()) return;
        members_.ForEachEntry(slot, [&](EntryWord& entry) {
          Entry seen;
          if (!EntryNames(entry, frame, only, &seen) || &entry == own) return;
          found = Holder{&entry, seen, id};
        });
      });
  return found;
}

std::optional<Holder> Ledger::FindOwn(const region::Thread& self,
                                      FrameIndex frame) const {
  MPOOL_ASSERT(!frame.is_none());
  MPOOL_ASSERT(self.slot != nullptr);
  std::optional<Holder> found;
  members_.ForEachEntry(*self.slot, [&](EntryWord& entry) {
    const Entry seen{entry.load(std::memory_order_relaxed)};
    if (seen.word != 0 && seen.frame() == frame) {
      found = Holder{&entry, seen, self.id};
    }
  });
  return found;
}

}  // namespace mpool::internal
