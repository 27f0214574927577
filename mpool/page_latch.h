// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// page_latch.h - the latch of a page: shared by ledger entries, exclusive by
// the state word.
//
// A reader is a ledger entry plus the HINT bit, which tells takers that
// somebody may be in the ledgers. A writer takes HINT away with the CAS that
// sets XP, waits until no ledger names the page shared, and turns XP into X
// only if HINT is still off. The steps stand in basic_page_latch.h, where a
// checker of memory orders runs them too; the checked models are
// docs/models/latch.pml and docs/models/pool.pml.
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
#include "mpool/basic_page_latch.h"
#include "mpool/buffer_header.h"
#include "mpool/ledger.h"
#include "os/clock.h"
#include "os/futex.h"
#include "region/region.h"

namespace mpool::internal {

class PageLatch {
 public:
  // The machine itself; see basic_page_latch.h.
  struct Machine {
    using Word = EntryWord;
    using Header = BufferHeader;
    using Deadline = os::Deadline;

    FrameIndex IndexOf(const BufferHeader& header) const {
      return static_cast<FrameIndex>(region.OffsetOf(&header) / kLineBytes);
    }
    std::optional<Holder> FindOther(FrameIndex frame, const EntryWord* own,
                                    std::optional<Mode> only) const {
      return ledger.FindOther(frame, own, only);
    }
    bool PutNeedsFence() const {
      return region.header()->put_needs_fence.load(
                 std::memory_order_relaxed) != 0;
    }
    void Barrier() const { os::GlobalBarrier(); }
    void Sleep(EntryWord* word, uint64_t expected,
               const os::Deadline& deadline) const;
    void WakeAll(EntryWord* word) const { os::FutexWakeAll(os::LowHalf(word)); }
    bool Suspect(uint32_t thread, uint32_t self) const {
      return region.Suspect(thread, self);
    }

    region::Region& region;
    Ledger& ledger;
  };

  PageLatch(region::Region& region, Ledger& ledger)
      : steps_(Machine{region, ledger}) {}

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
  void Withdraw(BufferHeader& header, EntryWord* entry) {
    steps_.Withdraw(header, entry);
  }

  // Sleeps until the state word is no longer `seen`, or for a bound; then looks
  // whether `suspect` (0 = the owner in `seen`) lives. DeadlineExceeded names
  // the holder.
  absl::Status WaitForChange(const region::Thread& self, BufferHeader& header,
                             State seen, uint32_t suspect,
                             const os::Deadline& deadline);

  // A change of the state word by its owner that also wakes all sleepers:
  // `make` turns the value that is there into the new one.
  template <class F>
  State ChangeAndWake(BufferHeader& header, F&& make) {
    // quiet: its callers pass steps.
    return steps_.ChangeAndWake(header, make);
  }

 private:
  // Whose page it is, if the deadline passed.
  absl::Status TimedOut(const BufferHeader& header,
                        std::optional<uint32_t> holder) const;

  BasicPageLatch<Machine> steps_;
};

}  // namespace mpool::internal

#endif  // MPOOL_MPOOL_PAGE_LATCH_H_
