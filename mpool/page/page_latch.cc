// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "mpool/page/page_latch.h"

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"

namespace mpool::internal {
namespace {

constexpr absl::Duration kProbeAfter = absl::Milliseconds(50);

}  // namespace

void PageLatch::Machine::Sleep(EntryWord* word, uint64_t expected,
                               const os::Deadline& deadline) const {
  os::FutexWait(os::LowHalf(word), static_cast<uint32_t>(expected),
                deadline.Left(kProbeAfter));
}

Enter PageLatch::TryShared(BufferHeader& header, PageKey key, bool reentrant) {
  return steps_.TryShared(header, key, reentrant);
}

Enter PageLatch::TryPending(const region::Thread& self, BufferHeader& header,
                            PageKey key, bool* had_hint) {
  MPOOL_ASSERT(self.id != 0);
  MPOOL_ASSERT(had_hint != nullptr);
  return steps_.TryPending(self.id, header, key, had_hint);
}

absl::Status PageLatch::DrainReaders(const region::Thread& self,
                                     BufferHeader& header, EntryWord* entry,
                                     bool had_hint,
                                     const os::Deadline& deadline) {
  MPOOL_ASSERT(entry != nullptr);
  MPOOL_ASSERT(header.Load().has(State::kXPending));
  MPOOL_ASSERT(header.Load().owner() == self.id);
  return TimedOut(header, steps_.DrainReaders(self.id, header, entry, had_hint,
                                              deadline));
}

void PageLatch::ReleaseExclusive(BufferHeader& header, bool changed) {
  MPOOL_ASSERT(header.Load().phase() == Phase::kValid);
  MPOOL_ASSERT(header.Load().has(State::kX));
  steps_.ReleaseExclusive(header, changed);
}

absl::Status PageLatch::WaitForChange(const region::Thread& self,
                                      BufferHeader& header, State seen,
                                      uint32_t suspect,
                                      const os::Deadline& deadline) {
  return TimedOut(header, steps_.WaitForChange(self.id, header, seen, suspect,
                                               deadline));
}

absl::Status PageLatch::TimedOut(const BufferHeader& header,
                                 std::optional<uint32_t> holder) const {
  if (!holder.has_value()) return absl::OkStatus();
  const region::Members& members = steps_.platform().members;
  std::string since;
  if (const region::ThreadSlot* slot = members.SlotOf(*holder)) {
    members.ForEachEntry(*slot, [&](const EntryWord& word) {
      const Entry entry{word.load(std::memory_order_relaxed)};
      if (entry.frame() != steps_.platform().IndexOf(header)) return;
      if (entry.mode() != Mode::kExclusive) return;
      const std::optional<uint64_t> now_ns = members.NowOf(*holder);
      since = ", for update";
      if (!now_ns.has_value()) return;  // the holder has another clock
      absl::StrAppend(&since, " for ",
                      absl::FormatDuration(entry.Age(now_ns)));
    });
  }
  return absl::DeadlineExceededError(absl::StrCat(
      "the page is held by ", members.Describe(*holder), since,
      "; wait longer, or see what else it holds with 'mpool holders'"));
}

}  // namespace mpool::internal
