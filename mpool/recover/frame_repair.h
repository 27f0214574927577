// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// frame_repair.h - repairs one frame that a dead thread owned: the rows of the
// death table (README.md) that concern a frame.
//
// Concurrency: any thread may repair any frame of a thread that is dead, or
//              that gives its page up. Several repairers never claim one
//              process.
// Crash:       each row can be repeated by another repairer. Drop moves a frame
//              to LOADING in the repairer's name. It does not use EVICTING
//              because a later repairer might undo that. The frame stays ORPHAN
//              while a live ledger names it.

#ifndef MPOOL_MPOOL_RECOVER_FRAME_REPAIR_H_
#define MPOOL_MPOOL_RECOVER_FRAME_REPAIR_H_

#include <cstdint>

#include "mpool/files/file_handles.h"
#include "mpool/files/file_table.h"
#include "mpool/files/page_io.h"
#include "mpool/memory/frame_table.h"
#include "mpool/memory/page_index.h"
#include "mpool/page/images.h"
#include "mpool/page/ledger.h"
#include "mpool/page/page_latch.h"
#include "mpool/recover/panic.h"
#include "mpool/stats.h"
#include "region/members.h"
#include "region/memory.h"
#include "region/repair_pass.h"

namespace mpool::internal {

class FrameRepair {
 public:
  FrameRepair(region::Memory& memory, region::Members& members,
              FrameTable& frames, PageIndex& index, Ledger& ledger,
              PageLatch& latch, Images& images, FileTable& files, Panic& panic)
      : memory_(memory),
        members_(members),
        frames_(frames),
        index_(index),
        ledger_(ledger),
        latch_(latch),
        images_(images),
        files_(files),
        panic_(panic) {}

  // Repairs the frame if a dead thread owns it.
  void Repair(const region::RepairPass& pass, BufferHeader& header);
  // Ends the write-back of a dead flusher.
  void RepairWriting(const region::RepairPass& pass, BufferHeader& header,
                     uint32_t writer);
  // Repairs a page under X. Returns true if it dropped the page. `own`: the
  // ledger entry of a live owner, which is withdrawn if the page is dropped.
  bool RepairExclusive(const region::Thread& self, BufferHeader& header,
                       State seen, uint32_t pid, RepairReport* report,
                       EntryWord* own = nullptr);
  // Returns what the before-image of a writer says about its page.
  Fate FateOf(const BufferHeader& header, State seen) const;

 private:
  void RepairPending(BufferHeader& header);
  void RepairEvicting(const region::Thread& self, BufferHeader& header);
  void Drop(const region::Thread& self, BufferHeader& header,
            EntryWord* own = nullptr);
  void Poison(BufferHeader& header, uint32_t pid, RepairReport* report);

  region::Memory& memory_;
  region::Members& members_;
  FrameTable& frames_;
  PageIndex& index_;
  Ledger& ledger_;
  PageLatch& latch_;
  Images& images_;
  FileTable& files_;
  Panic& panic_;
};

}  // namespace mpool::internal

#endif  // MPOOL_MPOOL_RECOVER_FRAME_REPAIR_H_
