// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// putter.h - puts a page. Uses only the guard, never the calling thread's own
// context, because a guard may have moved here from another thread.
//
// Undo puts the page of a guard for update that is destroyed during the
// unwinding of the stack. The change may be half done. So the page is treated
// like the page of a dead writer (rows X of the death table in
// recover/README.md). Undo works in the name of the process, not of the thread.
// The guard may belong to another thread, and this thread may have no slot.
//
// Concurrency: all calls are thread-safe; a guard is put once.
// Crash:       each step leaves a row of the death table.

#ifndef MPOOL_MPOOL_GET_PUTTER_H_
#define MPOOL_MPOOL_GET_PUTTER_H_

#include <cstdint>

#include "mpool/files/file_handles.h"
#include "mpool/files/file_table.h"
#include "mpool/files/page_io.h"
#include "mpool/memory/frame_table.h"
#include "mpool/page.h"
#include "mpool/page/images.h"
#include "mpool/page/page_latch.h"
#include "mpool/recover/frame_repair.h"
#include "os/step.h"
#include "region/generation.h"
#include "region/members.h"
#include "region/repair.h"

namespace mpool::internal {

class Putter {
 public:
  Putter(const region::Generation& generation, region::Members& members,
         region::Repairer& repairer, FrameTable& frames, const PageLatch& latch,
         Images& images, const FileTable& files, FrameRepair& repair)
      : generation_(generation.word()),
        latch_(latch),
        members_(members),
        repairer_(repairer),
        frames_(frames),
        images_(images),
        files_(files),
        repair_(repair) {}

  void PutShared(const Pin& pin) {
    // A forked child's copy of a guard is not its own.
    if (pin.generation != generation()) return;
    MPOOL_STEP("mpool.put.shared");
    latch_.Withdraw(*pin.header, pin.entry);
    MPOOL_STEP("mpool.put.withdrawn");
  }
  void PutExclusive(const Pin& pin, bool changed);
  // Discards the change: puts the page back as it was at its get, or poisons it
  // if no copy of that is left.
  void Undo(const Pin& pin);
  void SetLsn(const Pin& pin, Lsn lsn) const;

  // Returns the region's generation(), with one load less.
  uint32_t generation() const {
    return std::atomic_ref<uint32_t>(*generation_)
        .load(std::memory_order_relaxed);
  }

 private:
  uint32_t* const generation_;
  PageLatch latch_;  // a handle
  region::Members& members_;
  region::Repairer& repairer_;
  FrameTable& frames_;
  Images& images_;
  const FileTable& files_;
  FrameRepair& repair_;
};

}  // namespace mpool::internal

#endif  // MPOOL_MPOOL_GET_PUTTER_H_
