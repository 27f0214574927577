// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// resizer.h - grows or shrinks the cache while other threads use it.
//
// Growing:   `backed` is raised first, to the size that may have memory from
//            then on. Then come memory, headers and the frames of the extent
//            that was short. `cache` is raised last.
// Shrinking: `cache` is lowered first, so that nothing beyond it is cut any
//            more. Then each frame beyond it is evicted like a victim and
//            retired, and its memory is released. `backed` is lowered last.
// Crash:     leaves only `backed` above `cache`. This is the state near the end
//            of a shrink, and any later miss, FailCheck, open or Resize
//            finishes it. So a grow that was cut short is undone.
//
// An extent keeps its frames beyond the cache as long as one of their pages is
// held.

#ifndef MPOOL_MPOOL_RESIZE_RESIZER_H_
#define MPOOL_MPOOL_RESIZE_RESIZER_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "mpool/memory/frame_table.h"
#include "mpool/page/thread_context.h"
#include "mpool/resize/balancer.h"
#include "mpool/resize/extent_drain.h"
#include "mpool/resize/room_check.h"
#include "region/home_files.h"
#include "region/members.h"
#include "region/memory.h"
#include "region/repair.h"

namespace mpool::internal {

class Resizer {
 public:
  Resizer(region::Memory& memory, region::Members& members,
          region::Repairer& repairer, const region::HomeFiles& home_files,
          FrameTable& frames, const RoomCheck& room, ExtentDrain& drain,
          Balancer& balancer)
      : memory_(memory),
        members_(members),
        repairer_(repairer),
        home_files_(home_files),
        frames_(frames),
        room_(room),
        drain_(drain),
        balancer_(balancer) {}

  // Grows or shrinks the cache to `bytes`. Returns InvalidArgument if the size
  // is not possible; Unavailable if another resize is under way, or if frames
  // beyond the new size stay in use (the new size then holds nevertheless).
  absl::Status Resize(ThreadContext& self, uint64_t bytes);
  // Continues, without waiting, a resize that another thread left unfinished.
  void Help(ThreadContext& self);
  // The same at every 64th call of a thread during a resize.
  void HelpNowAndThen(ThreadContext& self);

  // Prepares the page memory for another handle of this process: `prefault`
  // fills the page tables, `lock_memory` locks the memory.
  absl::Status PrepareMore(const region::Thread& self, bool prefault,
                           bool lock_memory);
  // Prefaults or locks the page memory for this process if its options say so.
  absl::Status PrepareMemory(const region::Thread& self);

 private:
  enum class Patience { kOnePass, kUntilSettled };

  absl::Status CheckResize(uint64_t bytes) const;
  std::string DescribeResize(uint64_t bytes) const;
  bool TryClaimResize(const region::Thread& self);
  absl::Status ClaimResize(const region::Thread& self);
  void EndResize();
  absl::Status Shrink(const ThreadContext& self, uint64_t bytes);
  absl::Status TryShrink(const ThreadContext& self, uint64_t bytes);
  absl::Status Grow(ThreadContext& self, uint64_t bytes);
  void FindMore(ThreadContext& self, PageClass page_class);
  uint64_t RetireBeyond(ThreadContext& self, bool* progress,
                        absl::Status* failure);
  absl::Status FinishShrink(ThreadContext& self, Patience patience);
  absl::Status NotSettled(uint64_t frames, const absl::Status& failure) const;

  region::Memory& memory_;
  region::Members& members_;
  region::Repairer& repairer_;
  const region::HomeFiles& home_files_;
  FrameTable& frames_;
  const RoomCheck& room_;
  ExtentDrain& drain_;
  Balancer& balancer_;
};

}  // namespace mpool::internal

#endif  // MPOOL_MPOOL_RESIZE_RESIZER_H_
