// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// syncer.h - makes files durable.
//
// When a Sync returns Ok, all pages that were put before the call are on disk.
// DIRTY, WRITING and X pages count as not yet written. The syncer writes each
// such page once after the call began, or waits until another flusher has
// written it. Then it makes each file durable (file_sync.h).

#ifndef MPOOL_MPOOL_WRITE_SYNCER_H_
#define MPOOL_MPOOL_WRITE_SYNCER_H_

#include <cstdint>
#include <optional>
#include <set>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "mpool/files/file_handles.h"
#include "mpool/files/file_table.h"
#include "mpool/files/page_io.h"
#include "mpool/memory/frame_table.h"
#include "mpool/page/page_latch.h"
#include "mpool/page/thread_context.h"
#include "mpool/write/file_sync.h"
#include "mpool/write/write_back.h"
#include "os/clock.h"

namespace mpool::internal {

class Syncer {
 public:
  Syncer(const FrameTable& frames, FileTable& files, PageLatch& latch,
         FileSync& file_sync, WriteBack& write_back)
      : frames_(frames),
        files_(files),
        latch_(latch),
        file_sync_(file_sync),
        write_back_(write_back) {}

  // Writes back and fsyncs one file, or all. Repeats a sync if a signal ended
  // an fsync, with all pages that the kernel may have lost.
  absl::Status Sync(ThreadContext& self, std::optional<uint32_t> file,
                    absl::Duration wait);
  // Writes back all pages without an fsync.
  absl::Status WriteAll(ThreadContext& self);
  // Writes the dirty pages of a file, or of all files. Adds to `unwritten` the
  // files with a page that could not be written. Returns DataLoss if a page is
  // poisoned, and the errors of writes and waits.
  absl::Status WriteOut(ThreadContext& self, std::optional<uint32_t> file,
                        const os::Deadline& deadline,
                        std::set<PageKey>* unwritten);
  // Syncs the closed files, so that their entries can be used again.
  void SyncClosed(ThreadContext& self);
  // Trims the kept descriptors at every 256th call of a thread, because a
  // removed file keeps its disk space as long as a descriptor is open.
  void TrimKeptNowAndThen(ThreadContext& self);

 private:
  absl::Status SyncOnce(ThreadContext& self, std::optional<uint32_t> file,
                        const os::Deadline& deadline);
  absl::Status WriteOutOne(ThreadContext& self, BufferHeader& header,
                           PageKey key, const os::Deadline& deadline);
  absl::Status LostPage(const BufferHeader& header, PageKey key) const;

  const FrameTable& frames_;
  FileTable& files_;
  PageLatch& latch_;
  FileSync& file_sync_;
  WriteBack& write_back_;
};

}  // namespace mpool::internal

#endif  // MPOOL_MPOOL_WRITE_SYNCER_H_
