// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// balancer.h - moves extents from a page size that uses them little to one that
// needs them.
//
// The pressure on a page size is how often its frames have changed their page.
// The rule is memcached's: the slab class with the oldest victims gives a slab
// to the class with the youngest victims. Once as many victims as a size has
// frames were evicted, the size with the least pressure gives it an extent. The
// donor's pressure must be less than half. A size that has too few frames, or
// whose frames are all held, gets an extent at once. The last extent of a size
// that has open files stays.
//
// An extent may be useless: its pages are held or cannot be written, or it is
// too short for a page of the receiver's size. Then the next extent is tried,
// and then the next size.
//
// Balancing never waits for I/O of other threads: an extent with a frame in
// flight is skipped.
// Crash: acquired frames are LOADING in a dead thread's name, like the frames
// of any loader.

#ifndef MPOOL_MPOOL_RESIZE_BALANCER_H_
#define MPOOL_MPOOL_RESIZE_BALANCER_H_

#include <cstdint>
#include <optional>
#include <set>
#include <vector>

#include "mpool/memory/frame_table.h"
#include "mpool/page/frame_set.h"
#include "mpool/page/thread_context.h"
#include "mpool/resize/extent_drain.h"
#include "mpool/resize/room_check.h"
#include "region/members.h"

namespace mpool::internal {

class Balancer {
 public:
  // kFair: the size gets an extent in its turn. kUrgent: no frame of the size
  // can be acquired, so every extent of the other sizes is tried at once.
  enum class Need { kFair, kUrgent };

  Balancer(const region::Members& members, FrameTable& frames,
           const RoomCheck& room, ExtentDrain& drain)
      : members_(members), frames_(frames), room_(room), drain_(drain) {}

  // True if an extent became free that the page size can use.
  bool Balance(ThreadContext& self, PageClass page_class, Need need);

 private:
  std::vector<PageClass> FindDonors(PageClass page_class, uint32_t open,
                                   Need need) const;
  bool GiveUpExtent(ThreadContext& self, PageClass donor, PageClass receiver,
                    uint64_t leaves, Need need, std::set<PageKey>* unwritable);
  bool TryGiveUp(ThreadContext& self, uint32_t extent, PageClass donor,
                 uint64_t leaves, std::set<PageKey>* unwritable);
  void AddFilesOfDirty(uint32_t extent, const CutWord& now,
                       std::set<PageKey>* files) const;
  FrameSet HeldFrames() const;
  std::optional<uint64_t> WarmthOf(uint32_t extent, PageClass donor,
                                   const FrameSet& held,
                                   const std::set<PageKey>& unwritable) const;

  const region::Members& members_;
  FrameTable& frames_;
  const RoomCheck& room_;
  ExtentDrain& drain_;
};

}  // namespace mpool::internal

#endif  // MPOOL_MPOOL_RESIZE_BALANCER_H_
