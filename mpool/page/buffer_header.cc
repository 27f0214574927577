// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "mpool/page/buffer_header.h"

#include <bit>

#include "os/assert.h"
#include "os/futex.h"

namespace mpool::internal {
namespace {

bool PhaseMayFollow(Phase from, Phase to) {
  if (from == to) return true;
  switch (from) {
    case Phase::kFree:
      return to == Phase::kLoading;
    case Phase::kLoading:
      return to == Phase::kValid || to == Phase::kFree ||
             to == Phase::kOrphan || to == Phase::kRetired;
    case Phase::kRetired:
      return to == Phase::kFree;
    case Phase::kValid:
      return to == Phase::kEvicting || to == Phase::kPoisoned ||
             to == Phase::kLoading;
    case Phase::kEvicting:
      return to == Phase::kValid || to == Phase::kFree;
    case Phase::kOrphan:
      return to == Phase::kFree || to == Phase::kLoading;
    case Phase::kPoisoned:
      return to == Phase::kValid || to == Phase::kLoading;
  }
  return false;
}

// True if the value keeps its invariants. X and XP occur only on a valid page
// and name an owner. Only a VALID or POISONED page is DIRTY or WRITING.
bool IsLegal(State s) {
  const bool exclusive = s.has(State::kX | State::kXPending);
  if (s.has(State::kX) && s.has(State::kXPending)) return false;
  if (exclusive && s.phase() != Phase::kValid) return false;
  if (s.is_owned() != (s.owner() != 0)) return false;
  if (s.has(State::kDirty | State::kWriting)) {
    return s.phase() == Phase::kValid || s.phase() == Phase::kPoisoned;
  }
  return s.phase() <= Phase::kRetired;
}

}  // namespace

void CheckTransition(State from, State to) {
  const bool version_ok =
      to.version() == from.version() || to.version() == from.version() + 1;
  if (PhaseMayFollow(from.phase(), to.phase()) && IsLegal(to) && version_ok) {
    return;
  }
  os::TransitionFailed("frame", from.bits, to.bits);
}

// no step below: its callers pass steps.
void LeaveLoading(BufferHeader& header, Phase to) {
  MPOOL_ASSERT(to == Phase::kFree || to == Phase::kRetired);
  State seen = header.Load();
  MPOOL_ASSERT(seen.phase() == Phase::kLoading);
  while (!header.Change(&seen,
                        to == Phase::kRetired
                            ? seen.NextVersion().Bare().WithPhase(to)
                            : seen.Bare())) {
  }
  if (seen.has(State::kWaiters)) os::FutexWakeAll(os::LowHalf(&header.state));
}

}  // namespace mpool::internal
