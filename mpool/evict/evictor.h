// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// evictor.h - removes a page from its frame.
//
// Concurrency: all calls are thread-safe. The CAS to EVICTING excludes readers
//              that have not entered yet; the ledger scan finds the others.
// Crash:       EVICTING names the evictor. Repair finishes the eviction if the
//              slot is empty, and undoes it otherwise.

#ifndef MPOOL_MPOOL_EVICT_EVICTOR_H_
#define MPOOL_MPOOL_EVICT_EVICTOR_H_

#include <cstdint>

#include "absl/status/status.h"
#include "mpool/evict/active_policy.h"
#include "mpool/files/file_handles.h"
#include "mpool/files/file_table.h"
#include "mpool/files/page_io.h"
#include "mpool/memory/frame_table.h"
#include "mpool/memory/page_index.h"
#include "mpool/page/ledger.h"
#include "mpool/page/page_latch.h"
#include "mpool/page/thread_context.h"

namespace mpool::internal {

class Evictor {
 public:
  enum class Result {
    kFreed,
    kDirty,  // the page must be written first
    kBusy,   // held, owned or in flight
  };

  Evictor(FrameTable& frames, PageIndex& index,
          Ledger& ledger, PageLatch& latch, FileTable& files,
          ActivePolicy& policy)
      : frames_(frames),
        index_(index),
        ledger_(ledger),
        latch_(latch),
        files_(files),
        policy_(policy) {}

  // Frees the frame if its page is clean and not held. Never waits.
  Result TryEvict(ThreadContext& self, BufferHeader& header);
  // Frees the frame unless its page is held or being written. The changes of a
  // dirty page are lost, and a lost page is lost no more. Never waits.
  Result TryDiscard(ThreadContext& self, BufferHeader& header);
  // Evicts all pages of a file that no process has open. Waits for pages in
  // flight. Returns FailedPrecondition if a page is dirty or held. A frame
  // keeps the key of its last page while it is acquired for another page or
  // retired. Therefore only frames that are in the hash table count.
  absl::Status DropFile(ThreadContext& self, uint32_t index);
  // The pages that DiscardFile gave up.
  struct Discarded {
    uint64_t pages = 0;
    uint64_t unwritten = 0;  // of them with changes, or lost
  };
  // Discards all pages of a file, also dirty and lost ones. Waits as DropFile.
  // Returns FailedPrecondition if a page is held. Adds to `*discarded`.
  absl::Status DiscardFile(ThreadContext& self, uint32_t index,
                           Discarded* discarded);

 private:
  bool IsHeld(const BufferHeader& header, State seen) const;
  bool TryFreeOrphan(BufferHeader& header);
  void RemovePage(ThreadContext& self, BufferHeader& header, State seen);
  template <class Try>
  absl::Status Drop(ThreadContext& self, uint32_t index, Try&& try_drop);

  FrameTable& frames_;
  PageIndex& index_;
  Ledger& ledger_;
  PageLatch& latch_;
  FileTable& files_;
  ActivePolicy& policy_;
};

}  // namespace mpool::internal

#endif  // MPOOL_MPOOL_EVICT_EVICTOR_H_
