// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "mpool/recover/frame_repair.h"

#include <optional>

#include "mpool/page/page_lsn.h"
#include "os/assert.h"
#include "os/step.h"

namespace mpool::internal {

void FrameRepair::Repair(const region::RepairPass& pass,
                         BufferHeader& header) {
  const State seen = header.Load();
  if (!seen.is_owned() || !pass.IsDead(seen.owner())) return;
  ++pass.report->frames;
  if (seen.has(State::kXPending)) {
    RepairPending(header);
  } else if (seen.has(State::kX)) {
    const uint32_t pid =
        memory_.header()->processes[pass.process - 1].pid.load();
    RepairExclusive(pass.self, header, seen, pid, pass.report);
  } else if (seen.phase() == Phase::kEvicting) {
    RepairEvicting(pass.self, header);
  } else {
    Drop(pass.self, header);
  }
  MPOOL_STEP("mpool.repair.frame");
}

void FrameRepair::RepairWriting(const region::RepairPass& pass,
                                BufferHeader& header, uint32_t writer) {
  MPOOL_ASSERT(pass.IsDead(writer));
  latch_.ChangeAndWake(header, [](State s) {
    if (!s.has(State::kWriting)) return s;
    return s.Without(State::kWriting).With(State::kDirty);
  });
  MPOOL_STEP("mpool.repair.unwrite");
  header.io_owner.compare_exchange_strong(writer, 0);
  MPOOL_STEP("mpool.repair.disowned");
  ++pass.report->frames;
}

// Sets HINT because the readers that the dead writer waited for may still hold
// the page.
void FrameRepair::RepairPending(BufferHeader& header) {
  latch_.ChangeAndWake(header, [](State s) {
    return s.Without(State::kXPending).With(State::kHint).WithOwner(0);
  });
  MPOOL_STEP("mpool.repair.unpended");
}

bool FrameRepair::RepairExclusive(const region::Thread& self,
                                  BufferHeader& header, State seen,
                                  uint32_t pid, RepairReport* report,
                                  EntryWord* own) {
  const Fate fate = FateOf(header, seen);
  if (fate == Fate::kNoImage) {
    // The test and the change are one CAS because a failed fsync of another
    // process may make the page dirty at any time.
    while (!seen.has(State::kDirty | State::kWriting)) {
      if (!header.Change(&seen, seen.Without(State::kX)
                                    .WithPhase(Phase::kLoading)
                                    .WithOwner(self.id))) {
        continue;
      }
      MPOOL_STEP("mpool.repair.undecided");
      Drop(self, header, own);
      return true;
    }
    Poison(header, pid, report);
    return false;
  }
  const uint64_t dirty = fate == Fate::kCommitted ? State::kDirty : 0;
  latch_.ChangeAndWake(header, [&](State s) {
    return s.Without(State::kX).With(dirty).WithOwner(0).NextVersion();
  });
  MPOOL_STEP("mpool.repair.settled");
  if (fate == Fate::kRestored) ++report->restored;
  return false;
}

void FrameRepair::RepairEvicting(const region::Thread& self,
                                 BufferHeader& header) {
  latch_.ChangeAndWake(header, [&](State s) { return s.WithOwner(self.id); });
  MPOOL_STEP("mpool.repair.evicting");
  const bool named = index_.Holds(self, header);
  if (!named) files_.NoteDropped(header.LoadKey(), header.Load());
  latch_.ChangeAndWake(header, [&](State s) {
    if (named) return s.WithPhase(Phase::kValid).WithOwner(0);
    return s.NextVersion().Bare();
  });
  MPOOL_STEP("mpool.repair.unevicted");
}

void FrameRepair::Poison(BufferHeader& header, uint32_t pid,
                         RepairReport* report) {
  const PageKey key = header.LoadKey();
  const FileEntry* entry = files_.At(key.file_index());
  header.poisoned_by.store(pid, std::memory_order_relaxed);
  if (entry != nullptr && HasLsn(*entry)) panic_.Set(key, report);
  latch_.ChangeAndWake(header, [](State s) {
    return s.Without(State::kX | State::kDirty)
        .WithPhase(Phase::kPoisoned)
        .WithOwner(0)
        .NextVersion();
  });
  MPOOL_STEP("mpool.repair.poisoned");
  if (entry != nullptr && HasLsn(*entry)) panic_.Keep(key, report);
  ++report->poisoned;
}

Fate FrameRepair::FateOf(const BufferHeader& header, State seen) const {
  const region::ThreadSlot* dead = members_.SlotOf(seen.owner());
  if (dead == nullptr) return Fate::kNoImage;
  return images_.Decide(*dead, header, frames_.IndexOf(header),
                        frames_.bytes(header));
}

// Frees the frame and removes its slot. The frame becomes ORPHAN if a ledger
// names it.
// REQUIRES: the frame is LOADING, or X is set and the page equals its file. The
// owner is dead or gives the page up.
void FrameRepair::Drop(const region::Thread& self, BufferHeader& header,
                       EntryWord* own) {
  files_.NoteDropped(header.LoadKey(), header.Load());
  latch_.ChangeAndWake(header, [&](State s) {
    return s.Without(State::kX).WithPhase(Phase::kLoading).WithOwner(self.id);
  });
  MPOOL_STEP("mpool.repair.dropping");
  // From here on this thread owns the frame without the entry.
  if (own != nullptr) latch_.Withdraw(header, own);
  const FrameIndex frame = frames_.IndexOf(header);
  // A frame that was LOADING in order to be retired need not have had a page.
  if (index_.Refresh()) {
    // A loader that died before it stored its key left the key of an earlier
    // page. The slot of that page may name another frame now, and that frame
    // may be in use. Remove empties only a slot that names this frame.
    index_.Remove(self, header);
  }
  MPOOL_STEP("mpool.repair.unhashed");
  const bool kept = ledger_.FindOther(frame, nullptr, std::nullopt).has_value();
  latch_.ChangeAndWake(header, [&](State s) {
    const State bare = s.NextVersion().Bare();
    return kept ? bare.WithPhase(Phase::kOrphan) : bare;
  });
  MPOOL_STEP("mpool.repair.dropped");
}

}  // namespace mpool::internal
