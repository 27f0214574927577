// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// repair.cc - repair of the pool after a death: the pool's rows of the death
// table.
//
//   row (left by a dead thread)     repair
//   bucket latch                    released; slots are always whole
//   io_owner, WRITING               RepairWriting: DIRTY; then io_owner off
//   LOADING                         Drop: slot off, frame FREE
//   EVICTING                        RepairEvicting: undone if the slot names
//                                   the frame, else finished
//   XP                              RepairPending: off, HINT on
//   X, announced                    off: the page is untouched
//   X, whole image                  the page is as at its last put; X off
//   X, group committed              X off, DIRTY on: the put is finished
//   X else, page clean              Drop: the next get reads it again
//   X else, dirty or in flight      Poison; panic if its file has LSNs
//   extents latch                   rings made again; RETIRED in an extent:
//                                   FREE
//   resizer, drainer of an extent   off; see resize.cc
//   queue latch                     queues made again
//   files latch, CLAIMED entry      entry FREE
//   open bits                       off
//   an fsync that is under way      failed: pages DIRTY, the error sticky
//   a page cut at a file's end      off; see CutPartialPage in files.h
//   a write that was not seen       seen, and the file's times unknown
//
// Drop moves a frame to LOADING in the repairer's name. It does not use
// EVICTING because a later repairer might undo that. The frame stays ORPHAN
// while a live ledger names it. Each row can be repeated by another repairer.

#include "mpool/pool/pool.h"
#include "os/step.h"

namespace mpool::internal {

void Pool::RepairClient(const region::Thread& self, uint32_t dead_process,
                        const std::function<bool(uint32_t)>& is_dead,
                        RepairReport* report) {
  if (frames_.IsAttached()) {
    if (RefreshHashTable()) report->latches += hash_.ReleaseDead(is_dead);
    MPOOL_STEP("mpool.repair.buckets");
    const uint32_t pid =
        region_.header()->processes[dead_process - 1].pid.load();
    // The frame may be out of use by this time, because WRITING is cleared
    // before io_owner.
    frames_.ForEachHeaderMade([&](BufferHeader& header) {
      const uint32_t writer = header.io_owner.load(std::memory_order_acquire);
      if (writer != 0 && is_dead(writer)) RepairWriting(header, writer, report);
    });
    frames_.ForEachHeader([&](BufferHeader& header) {
      RepairFrame(self, header, is_dead, pid, report);
    });
    MPOOL_STEP("mpool.repair.frames");
    files_.EndWritesOfDead();
    file_sync_.Repair(is_dead);
    PoolHeader& pool = frames_.pool();
    uint32_t resizer = pool.resizer.load(std::memory_order_acquire);
    // no step: the next thread to find the resize unfinished completes it.
    if (is_dead(resizer)) pool.resizer.compare_exchange_strong(resizer, 0);
    const bool ordered = policy_ != nullptr && policy_->is_ordered();
    frames_.Rebuild(self, is_dead, ordered, &report->latches);
    frames_.ReleaseDrained(is_dead);
    files_.Repair(self, dead_process, is_dead, &report->latches);
  }
}

void Pool::RepairFrame(const region::Thread& self, BufferHeader& header,
                       const std::function<bool(uint32_t)>& is_dead,
                       uint32_t pid, RepairReport* report) {
  const State seen = header.Load();
  if (!seen.is_owned() || !is_dead(seen.owner())) return;
  ++report->frames;
  if (seen.has(State::kXPending)) {
    RepairPending(header);
  } else if (seen.has(State::kX)) {
    RepairExclusive(self, header, seen, pid, report);
  } else if (seen.phase() == Phase::kEvicting) {
    RepairEvicting(self, header);
  } else {
    Drop(self, header);
  }
  MPOOL_STEP("mpool.repair.frame");
}

void Pool::RepairWriting(BufferHeader& header, uint32_t writer,
                         RepairReport* report) {
  latch_.ChangeAndWake(header, [](State s) {
    if (!s.has(State::kWriting)) return s;
    return s.Without(State::kWriting).With(State::kDirty);
  });
  MPOOL_STEP("mpool.repair.unwrite");
  header.io_owner.compare_exchange_strong(writer, 0);
  MPOOL_STEP("mpool.repair.disowned");
  ++report->frames;
}

// Sets HINT because the readers that the dead writer waited for may still hold
// the page.
void Pool::RepairPending(BufferHeader& header) {
  latch_.ChangeAndWake(header, [](State s) {
    return s.Without(State::kXPending).With(State::kHint).WithOwner(0);
  });
  MPOOL_STEP("mpool.repair.unpended");
}

bool Pool::RepairExclusive(const region::Thread& self, BufferHeader& header,
                           State seen, uint32_t pid, RepairReport* report,
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

void Pool::RepairEvicting(const region::Thread& self, BufferHeader& header) {
  latch_.ChangeAndWake(header, [&](State s) { return s.WithOwner(self.id); });
  MPOOL_STEP("mpool.repair.evicting");
  const bool named = IsInHashTable(self, header);
  if (!named) files_.NoteDropped(header.key.load(), header.Load());
  latch_.ChangeAndWake(header, [&](State s) {
    if (named) return s.WithPhase(Phase::kValid).WithOwner(0);
    return s.NextVersion().Bare();
  });
  MPOOL_STEP("mpool.repair.unevicted");
}

void Pool::Poison(BufferHeader& header, uint32_t pid, RepairReport* report) {
  const uint64_t key = header.key.load();
  const FileEntry* entry = files_.At(PageKey::FileIndex(key));
  header.poisoned_by.store(pid, std::memory_order_relaxed);
  if (entry != nullptr && HasLsn(*entry)) SetPanic(key, report);
  latch_.ChangeAndWake(header, [](State s) {
    return s.Without(State::kX | State::kDirty)
        .WithPhase(Phase::kPoisoned)
        .WithOwner(0)
        .NextVersion();
  });
  MPOOL_STEP("mpool.repair.poisoned");
  if (entry != nullptr && HasLsn(*entry)) KeepPanic(key, report);
  ++report->poisoned;
}

Fate Pool::FateOf(const BufferHeader& header, State seen) const {
  const region::ThreadSlot* dead = region_.SlotOf(seen.owner());
  if (dead == nullptr) return Fate::kNoImage;
  return images_.Decide(*dead, header, frames_.IndexOf(header),
                        frames_.bytes(header));
}

// Frees the frame and removes its slot. The frame becomes ORPHAN if a ledger
// names it.
// REQUIRES: the frame is LOADING, or X is set and the page equals its file. The
// owner is dead or gives the page up.
void Pool::Drop(const region::Thread& self, BufferHeader& header,
                EntryWord* own) {
  files_.NoteDropped(header.key.load(), header.Load());
  latch_.ChangeAndWake(header, [&](State s) {
    return s.Without(State::kX).WithPhase(Phase::kLoading).WithOwner(self.id);
  });
  MPOOL_STEP("mpool.repair.dropping");
  // From here on this thread owns the frame without the entry.
  if (own != nullptr) latch_.Withdraw(header, own);
  const FrameIndex frame = frames_.IndexOf(header);
  // A frame that was LOADING in order to be retired need not have had a page.
  if (RefreshHashTable()) {
    const uint64_t hash = HashTable::Hash(header.key.load());
    region::LatchGuard guard(hash_.bucket(hash).latch, self.id,
                             region_.watch(), region::LockRank::kBucket);
    // A loader that died before it stored its key left the key of an earlier
    // page. The slot of that page may name another frame now, and that frame
    // may be in use.
    hash_.Remove(hash, frame);
  }
  MPOOL_STEP("mpool.repair.unhashed");
  const bool kept =
      ledger_.FindOther(frame, nullptr, std::nullopt).has_value();
  latch_.ChangeAndWake(header, [&](State s) {
    const State bare = s.NextVersion().Bare();
    return kept ? bare.WithPhase(Phase::kOrphan) : bare;
  });
  MPOOL_STEP("mpool.repair.dropped");
}

}  // namespace mpool::internal
