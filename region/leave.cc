// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "region/leave.h"

#include "os/assert.h"
#include "os/clock.h"
#include "os/status.h"
#include "os/step.h"
#include "region/identity.h"

namespace mpool::region {

absl::StatusOr<os::ByteLock> Leaver::Begin(bool* is_last,
                                           absl::Duration wait) {
  MPOOL_ASSERT(is_last != nullptr);
  *is_last = true;
  if (!members_.is_shared()) return os::ByteLock();
  MPOOL_ASSIGN_OR_RETURN(
      os::ByteLock gate,
      home_files_.locks().LockWithin(0, os::Deadline(wait)));
  if (!gate.held()) return GateTimeout("", home_files_.locks(), wait);
  MPOOL_ASSIGN_OR_RETURN(*is_last, members_.IsAlone());
  return gate;
}

void Leaver::Leave(os::ByteLock gate, Unnamed unnamed) {
  MPOOL_ASSERT(members_.process() >= 1 && members_.process() <= kMaxProcesses);
  if (members_.inherited().any()) {
    // The predecessor is not repaired yet. The slot stays live without a lock,
    // so that the next process finds it dead.
    members_.ClearInherited();
    members_.DropLife();
    return;
  }
  members_.FreeThreads();
  MPOOL_STEP("region.leave.threads");
  RegionHeader& header = *memory_.header();
  std::atomic<uint64_t>& place = header.processes[members_.process() - 1].word;
  const ProcessWord word = ProcessWord::Unpack(place.load());
  const ProcessWord next{.generation = word.generation};
  CheckTransition(word, next);
  place.store(next.Pack(), std::memory_order_release);
  MPOOL_STEP("region.leave.freed");
  const bool ends =
      unnamed == Unnamed::kEnd && members_.is_shared() && !named_;
  if (ends && members_.IsAlone().value_or(false)) {
    // A child that enters later must not find the cached pages, because other
    // processes may change the page files from now on.
    header.magic.store(0);  // no step: no process enters after this
    os::UnclaimDirectory(home_files_.home());
  }
  MPOOL_ASSERT(members_.inherited().none());
  members_.DropLife();
  MPOOL_STEP("region.leave.unlocked");
  gate.Drop();
}

}  // namespace mpool::region
