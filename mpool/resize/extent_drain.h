// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// extent_drain.h - empties an extent, so that it can be retired.
//
// Concurrency: one thread drains an extent at a time: the drainer in the
//              extent's CutWord. The drainer loads no page in between.
// Crash:       acquired frames are LOADING in a dead thread's name, like the
//              frames of any loader. Repair clears the drainer.

#ifndef MPOOL_MPOOL_RESIZE_EXTENT_DRAIN_H_
#define MPOOL_MPOOL_RESIZE_EXTENT_DRAIN_H_

#include <cstdint>

#include "absl/status/status.h"
#include "mpool/evict/evictor.h"
#include "mpool/memory/frame_table.h"
#include "mpool/memory/page_index.h"
#include "mpool/page/thread_context.h"
#include "mpool/write/write_back.h"

namespace mpool::internal {

class ExtentDrain {
 public:
  ExtentDrain(FrameTable& frames, PageIndex& index, WriteBack& write_back,
              Evictor& evictor)
      : frames_(frames),
        index_(index),
        write_back_(write_back),
        evictor_(evictor) {}

  // Writes the dirty pages of an extent from frame `keep` on.
  absl::Status Write(ThreadContext& self, uint32_t extent, const CutWord& now,
                     uint64_t keep);
  // Makes one pass over the frames of an extent from `keep` on. Frames that no
  // thread holds become LOADING in the caller's name. True if all of them are.
  // Then the extent stays cut as it is, because a thread that cuts it otherwise
  // needs these frames too.
  bool Drain(ThreadContext& self, uint32_t extent, const CutWord& now,
             uint64_t keep, absl::Status* failure);
  // Returns the frames that Drain acquired.
  void Cancel(const ThreadContext& self, uint32_t extent);

 private:
  static bool IsTakenBy(const ThreadContext& self, const BufferHeader& header);

  FrameTable& frames_;
  PageIndex& index_;
  WriteBack& write_back_;
  Evictor& evictor_;
};

}  // namespace mpool::internal

#endif  // MPOOL_MPOOL_RESIZE_EXTENT_DRAIN_H_
