// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// ledger.h - the pins of each thread: a pin is a ledger entry, and nothing
// else.
//
// Concurrency: only the thread itself stores into its ledger, except for puts
//              of guards that moved to other threads. Any thread scans it.
// Orders:      a getter publishes its entry by a seq_cst exchange and then
//              loads the state (seq_cst). A taker (XP, EVICTING) changes the
//              state by a seq_cst CAS and then loads the entries (seq_cst). In
//              the single order of these four, at least one sees the other.
// Crash:       repair clears the entries of a dead process.

#ifndef MPOOL_MPOOL_PAGE_LEDGER_H_
#define MPOOL_MPOOL_PAGE_LEDGER_H_

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <optional>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "mpool/page/buffer_header.h"
#include "os/assert.h"
#include "os/clock.h"
#include "region/members.h"
#include "region/memory.h"

namespace mpool::internal {

enum class Mode : uint64_t { kNone = 0, kShared = 1, kPin = 2, kExclusive = 3 };

// An entry: frame 32 (low) | mode 8 | start time 24, for update only.
struct Entry {
  uint64_t word = 0;
  static Entry Make(FrameIndex frame, Mode mode) {
    return {static_cast<uint64_t>(mode) << 32 | frame.value()};
  }
  FrameIndex frame() const {
    return FrameIndex(static_cast<uint32_t>(word));
  }
  Mode mode() const { return static_cast<Mode>(word >> 32 & 0xff); }
  // Returns how long the page is held, modulo three days. `now_ns` is read from
  // the clock of the holder's process. Returns zero if `now_ns` or the start
  // time is unknown.
  absl::Duration Age(std::optional<uint64_t> now_ns) const {
    constexpr uint64_t kUnits = (uint64_t{1} << 24) - 1;
    if (word >> 40 == 0 || !now_ns.has_value()) return absl::ZeroDuration();
    return absl::Nanoseconds(static_cast<int64_t>(
        (((*now_ns >> kUnitShift) - (word >> 40)) & kUnits) << kUnitShift));
  }
  static constexpr int kUnitShift = 24;  // 17 ms
  static uint64_t Now() { return os::CoarseNs() >> kUnitShift; }
};

using EntryWord = std::atomic<uint64_t>;

// An entry that a scan found.
template <class Word>
struct BasicHolder {
  Word* entry = nullptr;
  Entry seen;
  uint32_t thread = 0;
};
using Holder = BasicHolder<EntryWord>;

// Both sides of the ledger, on words of any platform.
template <class Word>
[[gnu::always_inline]] inline void PublishEntry(Word* entry, FrameIndex frame,
                                                Mode mode) {
  // no step: its callers pass steps.
  entry->exchange(Entry::Make(frame, mode).word, std::memory_order_seq_cst);
}
// True if the entry names `frame` and, with `only`, has that mode. `*seen`
// receives the loaded entry.
template <class Word>
[[gnu::always_inline]] inline bool EntryNames(const Word& entry,
                                              FrameIndex frame,
                                              std::optional<Mode> only,
                                              Entry* seen) {
  *seen = {entry.load(std::memory_order_seq_cst)};
  return seen->word != 0 && seen->frame() == frame &&
         (!only.has_value() || seen->mode() == *only);
}

class Ledger {
 public:
  Ledger(region::Memory& memory, region::Members& members)
      : memory_(memory), members_(members) {}

  // Returns a free entry of the thread. Returns ResourceExhausted if the thread
  // holds kMaxPinsPerThread pages, and errors of the heap.
  absl::StatusOr<EntryWord*> FreeEntry(const region::Thread& self) {
    MPOOL_ASSERT(self.id != 0 && self.slot != nullptr);
    region::ThreadSlot& slot = *self.slot;
    for (uint32_t i = 0; i < kLedgerEntries; ++i) {
      if (slot.entries[i].load(std::memory_order_relaxed) != 0) continue;
      if (i >= slot.used.load(std::memory_order_relaxed)) {
        // no step: an entry of zeros holds nothing.
        slot.used.store(i + 1, std::memory_order_seq_cst);
      }
      return &slot.entries[i];
    }
    return FreeOverflowEntry(self);
  }

  // Like FreeEntry, among the entries that were used before. Returns nullptr if
  // all of these hold pages.
  // REQUIRES: FreeEntry was called for the thread, so that a first entry
  // exists.
  static EntryWord* UsedFreeEntry(region::ThreadSlot& slot) {
    MPOOL_ASSERT(slot.used.load(std::memory_order_relaxed) != 0);
    // Most threads hold one page at a time.
    if (slot.entries[0].load(std::memory_order_relaxed) == 0) [[likely]] {
      return &slot.entries[0];
    }
    const uint32_t used = slot.used.load(std::memory_order_relaxed);
    for (uint32_t i = 1; i < used; ++i) {
      if (slot.entries[i].load(std::memory_order_relaxed) == 0) {
        return &slot.entries[i];
      }
    }
    return nullptr;
  }

  static void Publish(EntryWord* entry, FrameIndex frame, Mode mode) {
    MPOOL_ASSERT(entry != nullptr);
    MPOOL_ASSERT(!frame.is_none() && mode != Mode::kNone);
    PublishEntry(entry, frame, mode);
  }

  // Stores the time of the get for update into the entry, for reports.
  // REQUIRES: the caller has X of the page or loads it, so that no thread waits
  // for this word (not checkable: the header is not known here).
  static void NoteTime(EntryWord* entry) {
    MPOOL_ASSERT(!Entry{entry->load()}.frame().is_none());
    const uint64_t now = std::max<uint64_t>(Entry::Now() & 0xffffff, 1);
    // no step: only reports read the time.
    entry->store(entry->load(std::memory_order_relaxed) | now << 40,
                 std::memory_order_relaxed);
  }

  // Returns the first entry, other than `own`, that names `frame` and, with
  // `only`, has that mode. Makes one pass over all threads.
  std::optional<Holder> FindOther(FrameIndex frame, const EntryWord* own,
                                  std::optional<Mode> only) const;
  // Returns the thread's own entry for the frame, if any.
  std::optional<Holder> FindOwn(const region::Thread& self,
                                FrameIndex frame) const;

 private:
  absl::StatusOr<EntryWord*> FreeOverflowEntry(const region::Thread& self);

  region::Memory& memory_;
  region::Members& members_;
};

}  // namespace mpool::internal

#endif  // MPOOL_MPOOL_PAGE_LEDGER_H_
