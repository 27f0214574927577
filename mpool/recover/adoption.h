// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// adoption.h - restores the pool's tables when no process is attached any more.
//
// The state words tell which operation each frame was in. Derived data (places,
// positions, rings, queues, latches) is made again. Slot and key must agree. If
// they do not, a clean page is read from its file again. A page with changes
// that the file lacks becomes POISONED, because its number may be wrong.
//
//   word                              adopted as
//   VALID, perhaps XP                 VALID
//   VALID, WRITING                    VALID, DIRTY
//   VALID, X, image decides           VALID; see images.h
//   VALID, X else, clean              FREE
//   VALID, X else, DIRTY or WRITING   POISONED; panic if its file has LSNs
//   LOADING, EVICTING, ORPHAN, FREE   FREE
//   POISONED                          POISONED
//   DIRTY in another phase            POISONED
//
// Crash: each part can be repeated on the state that a dead adopter left.

#ifndef MPOOL_MPOOL_RECOVER_ADOPTION_H_
#define MPOOL_MPOOL_RECOVER_ADOPTION_H_

#include "mpool/evict/active_policy.h"
#include "mpool/files/file_handles.h"
#include "mpool/files/file_table.h"
#include "mpool/files/page_io.h"
#include "mpool/memory/frame_table.h"
#include "mpool/memory/page_index.h"
#include "mpool/recover/frame_repair.h"
#include "mpool/recover/panic.h"
#include "mpool/stats.h"
#include "mpool/write/file_sync.h"
#include "region/members.h"
#include "region/memory.h"

namespace mpool::internal {

class Adoption {
 public:
  Adoption(region::Memory& memory, region::Members& members, FrameTable& frames,
           PageIndex& index, FileTable& files, FileSync& file_sync,
           ActivePolicy& policy, Panic& panic, FrameRepair& repair)
      : memory_(memory),
        members_(members),
        frames_(frames),
        index_(index),
        files_(files),
        file_sync_(file_sync),
        policy_(policy),
        panic_(panic),
        repair_(repair) {}

  // Repairs the pool's tables as far as possible. Adds to `reached` the heap
  // chunks that the check of the tables did not add.
  // REQUIRES: no other process is attached.
  void Run(const region::Thread& self, region::Reachable* reached,
           RepairReport* report);

 private:
  void SettleFrame(BufferHeader& header, RepairReport* report);
  // REQUIRES: no slot names the frame.
  void DiscardFrame(const region::Thread& self, BufferHeader& header,
                    region::Reachable* reached, RepairReport* report);

  region::Memory& memory_;
  region::Members& members_;
  FrameTable& frames_;
  PageIndex& index_;
  FileTable& files_;
  FileSync& file_sync_;
  ActivePolicy& policy_;
  Panic& panic_;
  FrameRepair& repair_;
};

}  // namespace mpool::internal

#endif  // MPOOL_MPOOL_RECOVER_ADOPTION_H_
