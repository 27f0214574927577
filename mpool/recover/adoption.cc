// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// no step file: no other process is attached, and each part ends with a step.

#include "mpool/recover/adoption.h"

#include "mpool/page/frame_set.h"
#include "mpool/page/page_lsn.h"
#include "os/assert.h"
#include "os/step.h"

namespace mpool::internal {
namespace {

// Returns the state after adoption. `fate`: the fate of a page that a dead
// writer had.
State AtRest(State s, Fate fate) {
  const bool newer =
      s.has(State::kDirty | State::kWriting) || fate == Fate::kCommitted;
  const bool had = s.has(State::kX);
  if (s.phase() == Phase::kValid && (!had || fate != Fate::kNoImage)) {
    const State to = had ? s.NextVersion() : s;
    return to.Bare()
        .WithPhase(Phase::kValid)
        .With(s.bits & State::kUnsynced)
        .With(newer ? State::kDirty : 0);
  }
  const State bare = s.NextVersion().Bare();
  return newer || s.phase() == Phase::kPoisoned
             ? bare.WithPhase(Phase::kPoisoned)
             : bare.WithPhase(Phase::kFree);
}

bool HoldsPage(const BufferHeader& header) {
  const Phase phase = header.Load().phase();
  return phase == Phase::kValid || phase == Phase::kPoisoned;
}

}  // namespace

void Adoption::Run(const region::Thread& self, region::Reachable* reached,
                   RepairReport* report) {
  MPOOL_ASSERT(self.id != 0 && frames_.IsAttached());
  MPOOL_ASSERT(reached != nullptr && report != nullptr);
  PoolHeader& pool = frames_.pool();
  auto reset = [&](region::Latch& latch) {
    if (latch.Reset()) ++report->latches;
  };
  reset(pool.extents_latch);
  reset(pool.files_latch);
  for (ClassHeader& c : pool.classes) reset(c.queue_latch);
  index_.TakeSizeOfChunk();
  policy_.Make();
  files_.Adopt(reached, report);
  MPOOL_STEP("mpool.adopt.files");
  pool.resizer.store(0);
  frames_.extents().RebuildRings();
  frames_.extents().ReleaseAllDrained();
  MPOOL_STEP("mpool.adopt.places");
  FrameSet unnamed;
  frames_.ForEachHeader([&](BufferHeader& header) {
    SettleFrame(header, report);
    if (HoldsPage(header)) unnamed.Add(frames_.IndexOf(header));
  });
  frames_.ForEachHeaderMade([](BufferHeader& header) {
    if (header.io_owner.load() != 0) header.io_owner.store(0);
  });
  file_sync_.FailAll();
  MPOOL_STEP("mpool.adopt.frames");
  index_.table().Adopt(&unnamed, reached, report);
  MPOOL_STEP("mpool.adopt.slots");
  frames_.ForEachHeader([&](BufferHeader& header) {
    if (!unnamed.Has(frames_.IndexOf(header))) return;
    ++report->damaged;
    DiscardFrame(self, header, reached, report);
  });
  MPOOL_STEP("mpool.adopt.lost");
  frames_.RelinkAll(policy_.order_queue());
  if (policy_.is_made()) policy_->Adopt();
  MPOOL_STEP("mpool.adopt.queues");
}

void Adoption::SettleFrame(BufferHeader& header, RepairReport* report) {
  MPOOL_ASSERT(report != nullptr);
  const State seen = header.Load();
  const bool had = seen.phase() == Phase::kValid && seen.has(State::kX);
  const Fate fate = had ? repair_.FateOf(header, seen) : Fate::kNoImage;
  if (fate == Fate::kRestored) ++report->restored;
  State rest = AtRest(seen, fate);
  const bool written = header.io_owner.load() != 0;
  if (written) header.io_owner.store(0);
  if (seen.is_owned() || seen.has(State::kWriting) || written) {
    ++report->frames;
  }
  if (rest.phase() != Phase::kFree && !files_.IsPageOf(header.LoadKey())) {
    ++report->damaged;
    if (rest.phase() == Phase::kPoisoned || rest.has(State::kDirty)) {
      ++report->poisoned;
    }
    rest = rest.NextVersion().Bare();
  }
  if (rest.phase() == Phase::kPoisoned && seen.phase() != Phase::kPoisoned) {
    header.poisoned_by.store(members_.PidOf(seen.owner()));
    ++report->poisoned;
    const PageKey key = header.LoadKey();
    if (HasLsn(*files_.At(key.file_index()))) panic_.Set(key, report);
  }
  // S5 of file_sync.h: count a page that leaves the pool.
  if (!rest.has(State::kUnsynced) && !rest.has(State::kDirty)) {
    files_.NoteDropped(header.LoadKey(), seen);
  }
  MPOOL_ASSERT(!rest.is_owned() && rest.owner() == 0);
  if (rest.bits != seen.bits) header.state.store(rest.bits);
  MPOOL_STEP("mpool.adopt.frame");
}

// REQUIRES: no slot names the frame (not checkable: costs a search of the whole
// table for each frame).
void Adoption::DiscardFrame(const region::Thread& self, BufferHeader& header,
                            region::Reachable* reached, RepairReport* report) {
  MPOOL_ASSERT(reached != nullptr && report != nullptr);
  MPOOL_ASSERT(!header.Load().is_owned());  // SettleFrame ended that
  const State seen = header.Load();
  const State bare = seen.NextVersion().Bare();
  files_.NoteDropped(header.LoadKey(), seen);
  header.state.store(bare.bits);
  if (seen.phase() == Phase::kValid && !seen.has(State::kDirty)) return;
  ++report->poisoned;
  const PageKey key = header.LoadKey();
  const uint64_t hash = HashTable::Hash(key);
  if (!index_.table().Find(hash, key).is_none()) return;
  const FrameIndex frame = frames_.IndexOf(header);
  if (!index_.table().Insert(hash, frame)) {
    const absl::StatusOr<uint64_t> line =
        memory_.heap().Allocate(self, sizeof(Bucket), kLineBytes);
    if (!line.ok()) return;
    index_.table().InsertWithLine(hash, frame, *line);
    reached->Add(*line, sizeof(Bucket));
  }
  header.state.store(bare.WithPhase(Phase::kPoisoned).bits);
}

}  // namespace mpool::internal
