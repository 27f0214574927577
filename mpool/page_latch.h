// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// page_latch.h - the latch of a page: shared by ledger entries, exclusive by
// the state word.
//
// A reader is a ledger entry plus the HINT bit, which tells takers that
// somebody may be in the ledgers. A writer takes HINT away with the CAS that
// sets XP, waits until no ledger names the page shared, and turns XP into X
// only if HINT is still off. The checked models are docs/models/latch.pml and
// docs/models/pool.pml.
//
// Waiting: on the state word, whose changer wakes whenever it finds WAITERS;
// or, for a writer, on the ledger entry that blocks it, whose put wakes the
// entry's address when it finds WAITERS in the state. The put makes no fence
// between its store and its look: the writer sets WAITERS, has the kernel put
// a barrier on every processor, and looks again before it sleeps (pool.pml
// WAKE). Each sleep is bounded, and followed by a look at the life of whoever
// is waited for; no bound grants anything.

#ifndef MPOOL_MPOOL_PAGE_LATCH_H_
#define MPOOL_MPOOL_PAGE_LATCH_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "mpool/buffer_header.h"
#include "mpool/ledger.h"
#include "os/clock.h"
#include "os/futex.h"
#include "region/region.h"

namespace mpool::internal {

enum class Enter {
  kGranted,
  kMismatch,  // the frame holds another page now; look it up again
  kBusy,      // owned by somebody: wait for the state word
  kPoisoned,
};

class PageLatch {
 public:
  PageLatch(region::Region& region, Ledger& ledger)
      : region_(region), ledger_(ledger) {}

  FrameIndex IndexOf(const BufferHeader& header) const {
    return static_cast<FrameIndex>(region_.OffsetOf(&header) / kLineBytes);
  }

  // Shared or pin-only, once `entry` names the frame. `reentrant`: the thread
  // holds the page already, so XP does not stop it.
  Enter TryShared(BufferHeader& header, uint64_t key, bool reentrant);

  // XP, once `entry` names the frame exclusively. `had_hint`: readers may be
  // there, so DrainReaders must follow; it may follow always.
  Enter TryPending(const region::Thread& self, BufferHeader& header,
                   uint64_t key, bool* had_hint);
  // XP -> X, waiting for the readers. At the deadline XP is given up and the
  // status tells whose page it is.
  absl::Status DrainReaders(const region::Thread& self, BufferHeader& header,
                            EntryWord* entry, bool had_hint,
                            const os::Deadline& deadline);
  // X -> free, and wakes. `changed`: version + 1 and DIRTY.
  void ReleaseExclusive(BufferHeader& header, bool changed);

  // Gives an entry back and wakes the writer that sleeps on it.
  void Withdraw(BufferHeader& header, EntryWord* entry);

  // Sleeps until the state word is no longer `seen`, or for a bound; then looks
  // whether `suspect` (0 = the owner in `seen`) lives. DeadlineExceeded names
  // the holder.
  absl::Status WaitForChange(const region::Thread& self, BufferHeader& header,
                             State seen, uint32_t suspect,
                             const os::Deadline& deadline);

  // A change of the state word by its owner that also wakes all sleepers:
  // `make` turns the value that is there into the new one.
  template <class F>
  State ChangeAndWake(BufferHeader& header, F&& make);

 private:
  absl::Status WaitForReader(const region::Thread& self, BufferHeader& header,
                             const Holder& holder,
                             const os::Deadline& deadline);
  void GiveUpPending(BufferHeader& header);
  absl::Status TimedOut(const BufferHeader& header, uint32_t holder) const;
  static void Wake(BufferHeader& header);

  region::Region& region_;
  Ledger& ledger_;
};

inline void PageLatch::Withdraw(BufferHeader& header, EntryWord* entry) {
  // Where membarrier is refused the store is a fence by itself.
  if (region_.header()->put_needs_fence.load(std::memory_order_relaxed) != 0)
      [[unlikely]] {
    entry->exchange(0, std::memory_order_seq_cst);
  } else {
    entry->store(0, std::memory_order_release);
  }
  if ((header.state.load(std::memory_order_relaxed) & State::kWaiters) != 0)
      [[unlikely]] {
    os::FutexWakeAll(os::LowHalf(entry));
  }
}

template <class F>
State PageLatch::ChangeAndWake(BufferHeader& header, F&& make) {
  State seen = header.Load();
  while (!header.Change(&seen, make(seen).Without(State::kWaiters))) {
  }
  if (seen.has(State::kWaiters)) Wake(header);
  return seen;
}

}  // namespace mpool::internal

#endif  // MPOOL_MPOOL_PAGE_LATCH_H_
