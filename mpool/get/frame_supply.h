// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// frame_supply.h - finds a frame for a page: a free one, one of an extent not
// cut yet, one of another page size, or the policy's victim.
//
// Concurrency: all calls are thread-safe. No latch is held while a page is
//              written.
// Crash:       the frame is LOADING in the caller's name; repair frees it.

#ifndef MPOOL_MPOOL_GET_FRAME_SUPPLY_H_
#define MPOOL_MPOOL_GET_FRAME_SUPPLY_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "mpool/evict/victim_finder.h"
#include "mpool/memory/frame_table.h"
#include "mpool/page/thread_context.h"
#include "mpool/resize/balancer.h"
#include "mpool/resize/resizer.h"
#include "mpool/write/syncer.h"
#include "os/clock.h"
#include "region/members.h"
#include "region/repair.h"

namespace mpool::internal {

class FrameSupply {
 public:
  FrameSupply(region::Members& members, region::Repairer& repairer,
              FrameTable& frames, Syncer& syncer, VictimFinder& victims,
              Resizer& resizer, Balancer& balancer)
      : members_(members),
        repairer_(repairer),
        frames_(frames),
        syncer_(syncer),
        victims_(victims),
        resizer_(resizer),
        balancer_(balancer) {}

  // Returns a frame that is LOADING in the caller's name. Repairs dead
  // processes if all frames are held, and waits up to 1 s or the deadline.
  // Returns ResourceExhausted with the holders' names, or the error of writes
  // that failed.
  absl::StatusOr<BufferHeader*> Take(ThreadContext& self, PageClass page_class,
                                     const os::Deadline& deadline);

 private:
  absl::Status AllHeld(PageClass page_class) const;

  region::Members& members_;
  region::Repairer& repairer_;
  FrameTable& frames_;
  Syncer& syncer_;
  VictimFinder& victims_;
  Resizer& resizer_;
  Balancer& balancer_;
};

}  // namespace mpool::internal

#endif  // MPOOL_MPOOL_GET_FRAME_SUPPLY_H_
