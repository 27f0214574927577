// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// victim_finder.h - takes a frame from the page that the policy names.
//
// The policy alone decides the order. A dirty victim is written first, together
// with the pages that would be victims soon after it. So one write serves many
// evictions, and the hit rate depends only on the policy.

#ifndef MPOOL_MPOOL_EVICT_VICTIM_FINDER_H_
#define MPOOL_MPOOL_EVICT_VICTIM_FINDER_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "mpool/evict/active_policy.h"
#include "mpool/evict/evictor.h"
#include "mpool/evict/forgetter.h"
#include "mpool/memory/frame_table.h"
#include "mpool/page/thread_context.h"
#include "mpool/write/write_back.h"

namespace mpool::internal {

class VictimFinder {
 public:
  VictimFinder(FrameTable& frames, WriteBack& write_back, ActivePolicy& policy,
               Evictor& evictor, Forgetter& forgetter)
      : frames_(frames),
        write_back_(write_back),
        policy_(policy),
        evictor_(evictor),
        forgetter_(forgetter) {}

  // Searches once through the policy's order. Gives up the pages of files that
  // cannot be written because they have no name left. The frame is LOADING in
  // the caller's name. Returns nullptr if no frame could be acquired, and
  // ResourceExhausted if dirty victims could not be written.
  absl::StatusOr<BufferHeader*> Take(ThreadContext& self, PageClass page_class);

 private:
  absl::Status WriteVictims(ThreadContext& self, BufferHeader& victim);

  FrameTable& frames_;
  WriteBack& write_back_;
  ActivePolicy& policy_;
  Evictor& evictor_;
  Forgetter& forgetter_;
};

}  // namespace mpool::internal

#endif  // MPOOL_MPOOL_EVICT_VICTIM_FINDER_H_
