// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// loader.h - loads a page that is not in memory.
//
// A loader acquires a frame first (this CAS is the allocation), so that no
// thread waits for a frame under a bucket latch. After a second search it
// publishes the slot, then reads the page with no latch held. Other threads
// wait on the frame. Two threads that miss one page read it once.
// Crash: LOADING names the loader. Repair frees slot and frame.

#ifndef MPOOL_MPOOL_GET_LOADER_H_
#define MPOOL_MPOOL_GET_LOADER_H_

#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "mpool/evict/active_policy.h"
#include "mpool/files/file_handles.h"
#include "mpool/files/file_table.h"
#include "mpool/files/page_io.h"
#include "mpool/get/frame_supply.h"
#include "mpool/get/request.h"
#include "mpool/memory/frame_table.h"
#include "mpool/memory/page_index.h"
#include "mpool/page/ledger.h"
#include "mpool/page/page_latch.h"
#include "mpool/page/thread_context.h"
#include "region/memory.h"

namespace mpool::internal {

class Loader {
 public:
  Loader(region::Memory& memory, FrameTable& frames, PageIndex& index,
         Ledger& ledger, PageLatch& latch, FileTable& files,
         ActivePolicy& policy, FrameSupply& supply)
      : memory_(memory),
        frames_(frames),
        index_(index),
        ledger_(ledger),
        latch_(latch),
        files_(files),
        policy_(policy),
        supply_(supply) {}

  // Loads the page and holds it in the request's mode. Returns nullopt if
  // another thread loads the page; NotFound if the file has no such page and
  // the request does not create it; DataLoss if the file was cut by others; and
  // the errors of FrameSupply and of reads.
  absl::StatusOr<std::optional<Granted>> Load(ThreadContext& self,
                                              const Request& request);

 private:
  absl::StatusOr<bool> PublishSlot(ThreadContext& self, const Request& request,
                                   BufferHeader& header);
  absl::Status Read(ThreadContext& self, const Request& request,
                    BufferHeader& header);
  void Clear(BufferHeader& header);
  void Unload(ThreadContext& self, const Request& request,
              BufferHeader& header);
  void NoteMiss(ThreadContext& self, BufferHeader& header, Access access);

  region::Memory& memory_;
  FrameTable& frames_;
  PageIndex& index_;
  Ledger& ledger_;
  PageLatch& latch_;
  FileTable& files_;
  ActivePolicy& policy_;
  FrameSupply& supply_;
};

}  // namespace mpool::internal

#endif  // MPOOL_MPOOL_GET_LOADER_H_
