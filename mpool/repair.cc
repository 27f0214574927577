// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// repair.cc - the rows of the death table that the pool owns.
//
//   row (what a dead thread left)   repair
//   bucket latch                    released; slots are always whole
//   io_owner, WRITING               WRITING off and DIRTY on; then io_owner off
//   LOADING                         slot off, frame FREE
//   EVICTING                        undone if the slot names the frame, else
//                                   finished
//   XP                              off, HINT on
//   X, announced                    off: the page is untouched
//   X, whole image                  the page is as at its last put; X off
//   X, group committed              X off, DIRTY on: the put is finished
//   X else, page clean              dropped: the next get reads it again
//   X else, dirty or in flight      POISONED
//   extents latch                   rings made again
//   queue latch                     queues made again
//   files latch, CLAIMED entry      entry FREE
//   open bits                       off
//
// A frame that is dropped passes through LOADING in the repairer's name, never
// EVICTING, which a successor might undo; it is ORPHAN as long as a living
// ledger names it. Each row can be done again by another repairer.

#include "mpool/pool.h"
#include "os/step.h"

namespace mpool::internal {

void Pool::RepairTenant(const region::Thread& self, uint32_t dead_process,
                        const std::function<bool(uint32_t)>& is_dead,
                        RepairReport* report) {
  if (frames_.IsAttached()) {
    AttachBuckets();
    report->latches += hash_.ReleaseDead(is_dead);
    MPOOL_STEP("mpool.repair.buckets");
    const uint32_t pid =
        region_.header()->processes[dead_process - 1].pid.load();
    frames_.ForEachHeader([&](BufferHeader& header) {
      RepairFrame(self, header, is_dead, pid, report);
    });
    MPOOL_STEP("mpool.repair.frames");
    const bool ordered = policy_ != nullptr && policy_->is_ordered();
    frames_.Rebuild(self, is_dead, ordered, &report->latches);
    files_.Repair(self, dead_process, is_dead, &report->latches);
  }
}

void Pool::RepairFrame(const region::Thread& self, BufferHeader& header,
                       const std::function<bool(uint32_t)>& is_dead,
                       uint32_t pid, RepairReport* report) {
  uint32_t writer = header.io_owner.load(std::memory_order_acquire);
  if (writer != 0 && is_dead(writer)) {
    latch_.ChangeAndWake(header, [](State s) {
      if (!s.has(State::kWriting)) return s;
      return s.Without(State::kWriting).With(State::kDirty);
    });
    MPOOL_STEP("mpool.repair.unwrite");
    header.io_owner.compare_exchange_strong(writer, 0);
    ++report->frames;
  }
  const State seen = header.Load();
  if (!seen.is_owned() || !is_dead(seen.owner())) return;
  ++report->frames;
  RepairOwned(self, header, seen, pid, report);
  MPOOL_STEP("mpool.repair.frame");
}

void Pool::RepairOwned(const region::Thread& self, BufferHeader& header,
                       State seen, uint32_t pid, RepairReport* report) {
  if (seen.has(State::kXPending)) {
    // The readers that the dead one waited for may still be there.
    latch_.ChangeAndWake(header, [](State s) {
      return s.Without(State::kXPending).With(State::kHint).WithOwner(0);
    });
    return;
  }
  const Fate fate = seen.has(State::kX) ? FateOf(header, seen)
                                        : Fate::kNoImage;
  if (fate != Fate::kNoImage) {
    const uint64_t dirty = fate == Fate::kCommitted ? State::kDirty : 0;
    latch_.ChangeAndWake(header, [&](State s) {
      return s.Without(State::kX).With(dirty).WithOwner(0).NextVersion();
    });
    if (fate == Fate::kRestored) ++report->restored;
    return;
  }
  if (seen.has(State::kX) && seen.has(State::kDirty | State::kWriting)) {
    header.poisoned_by.store(pid, std::memory_order_relaxed);
    latch_.ChangeAndWake(header, [](State s) {
      return s.Without(State::kX | State::kDirty)
          .WithPhase(Phase::kPoisoned)
          .WithOwner(0)
          .NextVersion();
    });
    MPOOL_STEP("mpool.repair.poisoned");
    const uint32_t index = PageKey::FileIndex(header.key.load());
    if (FileEntry* entry = files_.At(index)) entry->poisoned.fetch_add(1);
    ++report->poisoned;
    return;
  }
  if (seen.phase() == Phase::kEvicting) {
    latch_.ChangeAndWake(header,
                         [&](State s) { return s.WithOwner(self.id); });
    MPOOL_STEP("mpool.repair.evicting");
    const uint64_t hash = HashTable::Hash(header.key.load());
    bool named = false;
    {
      region::LatchGuard guard(hash_.bucket(hash).latch, self.id,
                               region_.watch(), region::LockRank::kBucket);
      named = hash_.Names(hash, frames_.IndexOf(header));
    }
    latch_.ChangeAndWake(header, [&](State s) {
      if (named) return s.WithPhase(Phase::kValid).WithOwner(0);
      return State{s.NextVersion().bits & ~(State::kVersionOne - 1)};
    });
    return;
  }
  // LOADING, or X on a page that equals the file.
  latch_.ChangeAndWake(header, [&](State s) {
    return s.Without(State::kX).WithPhase(Phase::kLoading).WithOwner(self.id);
  });
  MPOOL_STEP("mpool.repair.dropping");
  DropFrame(self, header);
}

Fate Pool::FateOf(const BufferHeader& header, State seen) const {
  const region::ThreadSlot* dead = region_.SlotOf(seen.owner());
  if (dead == nullptr) return Fate::kNoImage;
  return images_.Decide(*dead, header, frames_.IndexOf(header),
                        frames_.bytes(header));
}

// REQUIRES: the frame is LOADING in the caller's name.
void Pool::DropFrame(const region::Thread& self, BufferHeader& header) {
  const FrameIndex frame = frames_.IndexOf(header);
  const uint64_t hash = HashTable::Hash(header.key.load());
  {
    region::LatchGuard guard(hash_.bucket(hash).latch, self.id,
                             region_.watch(), region::LockRank::kBucket);
    // A loader that died before it stored its key left another page's, whose
    // slot may name a living frame by now.
    hash_.Remove(hash, frame);
  }
  MPOOL_STEP("mpool.repair.unhashed");
  const bool kept =
      ledger_.FindOther(frame, nullptr, std::nullopt).has_value();
  latch_.ChangeAndWake(header, [&](State s) {
    const State bare{s.NextVersion().bits & ~(State::kVersionOne - 1)};
    return kept ? bare.WithPhase(Phase::kOrphan) : bare;
  });
}

}  // namespace mpool::internal
