// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "mpool/evict/evictor.h"

#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "os/assert.h"
#include "os/clock.h"
#include "os/step.h"

namespace mpool::internal {
namespace {

// How long DropFile waits for pages in flight, and its interval.
constexpr absl::Duration kLookFor = absl::Seconds(1);
constexpr absl::Duration kLookEvery = absl::Milliseconds(1);

}  // namespace

bool Evictor::IsHeld(const BufferHeader& header, State seen) const {
  // Without the hint no reader has entered since the last writer.
  return seen.has(State::kHint) &&
         ledger_.FindOther(frames_.IndexOf(header), nullptr, std::nullopt)
             .has_value();
}

Evictor::Result Evictor::TryEvict(ThreadContext& self, BufferHeader& header) {
  MPOOL_ASSERT(self.thread.id != 0);
  State seen = header.Load();
  if (seen.phase() == Phase::kOrphan) {
    return TryFreeOrphan(header) ? Result::kFreed : Result::kBusy;
  }
  do {
    if (!seen.is_open() || seen.has(State::kWriting)) return Result::kBusy;
    if (seen.has(State::kDirty)) return Result::kDirty;
    MPOOL_STEP("mpool.evict.take");
  } while (!header.Change(
      &seen, seen.WithPhase(Phase::kEvicting).WithOwner(self.thread.id)));
  MPOOL_STEP("mpool.evict.taken");
  AssertOwned(header, self.thread.id);
  AssertPhase(header, Phase::kEvicting);
  if (IsHeld(header, seen)) {
    MPOOL_STEP("mpool.evict.undo");
    latch_.ChangeAndWake(header, [](State s) {
      return s.WithPhase(Phase::kValid).WithOwner(0);
    });
    MPOOL_STEP("mpool.evict.undone");
    return Result::kBusy;
  }
  AssertPhase(header, Phase::kEvicting);
  RemovePage(self, header, seen);
  return Result::kFreed;
}

// Removes the page of an EVICTING or LOADING frame of this thread from the hash
// and frees the frame. `seen` is the state before.
void Evictor::RemovePage(ThreadContext& self, BufferHeader& header,
                         State seen) {
  AssertOwned(header, self.thread.id);
  const PageKey key = header.LoadKey(std::memory_order_relaxed);
  const uint64_t hash = HashTable::Hash(key);
  HashTable& table = index_.table();
  {
    region::LatchGuard guard(self.thread, table.bucket(hash).latch);
    MPOOL_STEP("mpool.evict.bucket");
    table.Remove(hash, frames_.IndexOf(header));
  }
  policy_->Removed(self, header);
  files_.NoteDropped(key, seen);
  AssertOwned(header, self.thread.id);
  MPOOL_STEP("mpool.evict.free");
  latch_.ChangeAndWake(header, [](State s) { return s.NextVersion().Bare(); });
  MPOOL_STEP("mpool.evict.freed");
}

// LOADING, and not EVICTING, because a repairer undoes an eviction, but gives
// up a load: a page that was lost must not be VALID again. A thread that dies
// here has discarded the page.
Evictor::Result Evictor::TryDiscard(ThreadContext& self,
                                    BufferHeader& header) {
  MPOOL_ASSERT(self.thread.id != 0);
  constexpr uint64_t kPageFlags =
      State::kDirty | State::kUnsynced | State::kHint;
  State seen = header.Load();
  if (seen.phase() == Phase::kOrphan) {
    return TryFreeOrphan(header) ? Result::kFreed : Result::kBusy;
  }
  do {
    const bool is_lost = seen.phase() == Phase::kPoisoned;
    if ((!is_lost && !seen.is_open()) || seen.has(State::kWriting)) {
      return Result::kBusy;
    }
    MPOOL_STEP("mpool.discard.take");
  } while (!header.Change(&seen, seen.Without(kPageFlags)
                                     .WithPhase(Phase::kLoading)
                                     .WithOwner(self.thread.id)));
  MPOOL_STEP("mpool.discard.taken");
  if (IsHeld(header, seen)) {
    MPOOL_STEP("mpool.discard.undo");
    latch_.ChangeAndWake(header, [&](State s) {
      return s.WithPhase(Phase::kValid).WithOwner(0).With(seen.bits &
                                                          kPageFlags);
    });
    MPOOL_STEP("mpool.discard.undone");
    return Result::kBusy;
  }
  RemovePage(self, header, seen);
  return Result::kFreed;
}

// Turns ORPHAN into FREE once no ledger names the frame. The frame stays at its
// place in the policy's order. It has no owner, so another thread may free and
// fill it at the same time.
// no step below: FREE is a complete state.
bool Evictor::TryFreeOrphan(BufferHeader& header) {
  State seen = header.Load();
  if (seen.phase() != Phase::kOrphan ||
      ledger_.FindOther(frames_.IndexOf(header), nullptr, std::nullopt)
          .has_value()) {
    return false;
  }
  return header.Change(&seen, seen.NextVersion().Bare());
}

absl::Status Evictor::DropFile(ThreadContext& self, uint32_t index) {
  return Drop(self, index,
              [&](BufferHeader& header) { return TryEvict(self, header); });
}

absl::Status Evictor::DiscardFile(ThreadContext& self, uint32_t index,
                                  Discarded* discarded) {
  MPOOL_ASSERT(discarded != nullptr);
  return Drop(self, index, [&](BufferHeader& header) {
    const State seen = header.Load();
    const Result result = TryDiscard(self, header);
    if (result != Result::kFreed || seen.phase() == Phase::kOrphan) {
      return result;
    }
    ++discarded->pages;
    if (seen.has(State::kDirty) || seen.phase() == Phase::kPoisoned) {
      ++discarded->unwritten;
    }
    return result;
  });
}

template <class Try>
absl::Status Evictor::Drop(ThreadContext& self, uint32_t index,
                           Try&& try_drop) {
  MPOOL_ASSERT(index < kMaxFiles);
  const os::Deadline patience(kLookFor);
  index_.Attach();
  while (true) {
    uint64_t left = 0;
    bool in_flight = false;
    frames_.ForEachHeader([&](BufferHeader& header) {
      if (header.LoadKey().file_index() != index) return;
      if (try_drop(header) == Result::kFreed) {
        frames_.queues().PushFree(self.thread, header);
        return;
      }
      const State seen = header.Load();
      if (seen.phase() == Phase::kFree || seen.phase() == Phase::kRetired ||
          header.LoadKey().file_index() != index ||
          !index_.Holds(self.thread, header)) {
        return;
      }
      ++left;
      in_flight = in_flight || seen.is_owned() || seen.has(State::kWriting);
    });
    if (left == 0) return absl::OkStatus();
    if (!in_flight || patience.passed()) {
      return absl::FailedPreconditionError(
          absl::StrCat(left, " of its pages are dirty or held"));
    }
    os::Sleep(kLookEvery);
  }
}

}  // namespace mpool::internal
