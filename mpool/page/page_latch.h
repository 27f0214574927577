// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// page_latch.h - the latch of a page: shared by ledger entries, exclusive by
// the state word.
//
// A reader is a ledger entry plus the HINT bit. HINT tells writers and evictors
// that the ledgers may name the frame. A writer clears HINT with the CAS that
// sets XP. It waits until no ledger entry names the page in shared mode, then
// turns XP into X only if HINT is still clear. The steps are in
// basic_page_latch.h, so that a checker of memory orders can run them too. The
// checked models are docs/models/latch.pml and docs/models/pool.pml.
//
// Waiting: a waiter sleeps on the state word; ChangeAndWake wakes the sleepers
// if WAITERS is set. A writer may instead sleep on the ledger entry that blocks
// it. The put of the entry then wakes the writer, if the state has WAITERS. The
// put has no fence between its store of the entry and its load of the state. So
// the writer sets WAITERS, makes the kernel run a barrier on every processor,
// and loads the entry again before it sleeps (pool.pml WAKE). Each sleep is
// bounded. After it the waiter checks whether the thread that blocks it is
// alive. A timeout never grants the page.

#ifndef MPOOL_MPOOL_PAGE_PAGE_LATCH_H_
#define MPOOL_MPOOL_PAGE_PAGE_LATCH_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "mpool/page/basic_page_latch.h"
#include "mpool/page/buffer_header.h"
#include "mpool/page/ledger.h"
#include "os/assert.h"
#include "os/clock.h"
#include "os/futex.h"
#include "region/members.h"
#include "region/memory.h"
#include "region/repair.h"

namespace mpool::internal {

class PageLatch {
 public:
  // The real machine; see basic_page_latch.h.
  struct Machine {
    using Word = EntryWord;
    using Header = BufferHeader;
    using Deadline = os::Deadline;

    FrameIndex IndexOf(const BufferHeader& header) const {
      return FrameIndex::AtOffset(memory.OffsetOf(&header));
    }
    std::optional<Holder> FindOther(FrameIndex frame, const EntryWord* own,
                                    std::optional<Mode> only) const {
      return ledger.FindOther(frame, own, only);
    }
    bool PutNeedsFence() const {
      return memory.header()->put_needs_fence.load(
                 std::memory_order_relaxed) != 0;
    }
    void Barrier() const { os::GlobalBarrier(); }
    void Sleep(EntryWord* word, uint64_t expected,
               const os::Deadline& deadline) const;
    void WakeAll(EntryWord* word) const { os::FutexWakeAll(os::LowHalf(word)); }
    bool RepairIfDead(uint32_t thread, uint32_t self) const {
      return repairer.RepairIfDead(thread, self);
    }

    region::Memory& memory;
    region::Members& members;
    region::Repairer& repairer;
    Ledger& ledger;
  };

  PageLatch(region::Memory& memory, region::Members& members,
            region::Repairer& repairer, Ledger& ledger)
      : steps_(Machine{memory, members, repairer, ledger}) {}

  // Tries to enter shared or pin-only.
  // REQUIRES: an entry of the thread names the frame (not checkable: the entry
  // is not known here).
  // `reentrant`: the thread already holds the page, so XP does not stop it.
  Enter TryShared(BufferHeader& header, PageKey key, bool reentrant);

  // Tries to set XP. `had_hint`: readers may exist, so DrainReaders must
  // follow; it may always follow.
  // REQUIRES: an entry of the thread names the frame exclusively (not checkable
  // as above).
  Enter TryPending(const region::Thread& self, BufferHeader& header,
                   PageKey key, bool* had_hint);
  // Turns XP into X after the readers are gone. At the deadline it gives XP up
  // and returns DeadlineExceeded with the holder's name.
  absl::Status DrainReaders(const region::Thread& self, BufferHeader& header,
                            EntryWord* entry, bool had_hint,
                            const os::Deadline& deadline);
  // Clears X and wakes the sleepers. `changed`: version + 1 and DIRTY.
  void ReleaseExclusive(BufferHeader& header, bool changed);

  // Releases a ledger entry and wakes the writer that sleeps on it.
  void Withdraw(BufferHeader& header, EntryWord* entry) {
    MPOOL_ASSERT(entry != nullptr);
    steps_.Withdraw(header, entry);
  }

  // Sleeps until the state word differs from `seen`, or for a bounded time.
  // Then checks whether `suspect` (0 = the owner in `seen`) is alive. Returns
  // DeadlineExceeded with the holder's name.
  absl::Status WaitForChange(const region::Thread& self, BufferHeader& header,
                             State seen, uint32_t suspect,
                             const os::Deadline& deadline);

  // Changes the state word in its owner's name and wakes all sleepers. `make`
  // turns the current value into the new one. Returns the value before.
  template <class F>
  State ChangeAndWake(BufferHeader& header, F&& make) {
    // no step: its callers pass steps.
    return steps_.ChangeAndWake(header, make);
  }

 private:
  // Returns DeadlineExceeded with a description of `holder`, or Ok without one.
  // The caller adds the names of the page and its file.
  absl::Status TimedOut(const BufferHeader& header,
                        std::optional<uint32_t> holder) const;

  BasicPageLatch<Machine> steps_;
};

}  // namespace mpool::internal

#endif  // MPOOL_MPOOL_PAGE_PAGE_LATCH_H_
