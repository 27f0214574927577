// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// write_back.h - writes dirty frames back to their files, in sorted batches.
//
// Protocol of one page (buffer_header.h T14, T15; pool.pml Flusher): acquire
// io_owner; enter as a reader; in one CAS turn DIRTY into WRITING; copy the
// page to the staging buffer; release the latch; write; turn WRITING into
// UNSYNCED, or back into DIRTY; release io_owner last. During the
// write, a writer may make the page dirty. An evictor may not take the page.
// Crash:       repair finds io_owner and turns WRITING into DIRTY.

#ifndef MPOOL_MPOOL_WRITE_WRITE_BACK_H_
#define MPOOL_MPOOL_WRITE_WRITE_BACK_H_

#include <cstdint>
#include <functional>
#include <vector>

#include "absl/status/status.h"
#include "mpool/files/file_handles.h"
#include "mpool/files/file_table.h"
#include "mpool/files/page_io.h"
#include "mpool/memory/frame_table.h"
#include "mpool/page/ledger.h"
#include "mpool/page/page_latch.h"
#include "mpool/page/thread_context.h"
#include "mpool/write/file_sync.h"

namespace mpool::internal {

struct WriteCallbacks {
  // Called before pages with an LSN are written, with their highest LSN.
  // Without the function such pages are not written.
  std::function<absl::Status(Lsn)> log_flush;
  // Called with the status of each failed write, and of each failed sync of
  // kept descriptors.
  std::function<void(const absl::Status&)> on_failure;
};

class WriteBack {
 public:
  WriteBack(FrameTable& frames, FileTable& table, FileHandles& handles,
            PageIo& page_io, FileSync& file_sync, Ledger& ledger,
            PageLatch& latch, WriteCallbacks callbacks)
      : frames_(frames),
        table_(table),
        handles_(handles),
        page_io_(page_io),
        file_sync_(file_sync),
        ledger_(ledger),
        latch_(latch),
        callbacks_(std::move(callbacks)) {}

  // Writes the pages of `headers` that are dirty and can be entered at once,
  // sorted by file and page, adjacent pages in one call. Does not wait for
  // other threads. Returns the first error; the pages of a failed write are
  // dirty again. `written` (may be null) counts pages.
  absl::Status Write(ThreadContext& self, std::vector<BufferHeader*> headers,
                     uint64_t* written);

 private:
  struct Item {
    BufferHeader* header = nullptr;
    PageKey key;
    uint32_t size = 0;
    std::byte* copy = nullptr;
  };

  bool Begin(ThreadContext& self, BufferHeader& header, std::byte* copy,
             Item* item);
  enum class Outcome { kWritten, kFailed };
  void End(BufferHeader& header, Outcome outcome);
  absl::Status WriteBatch(ThreadContext& self, const std::vector<Item>& batch,
                          uint64_t* written);
  absl::Status WriteRun(ThreadContext& self, const Item* first, size_t count);
  void TrimNew(ThreadContext& self);
  absl::StatusOr<std::shared_ptr<os::File>> BeginWriting(ThreadContext& self,
                                                         uint32_t index);
  absl::Status FlushLog(const ThreadContext& self, const FileEntry& entry,
                        const Item* first, size_t count);

  FrameTable& frames_;
  FileTable& table_;
  FileHandles& handles_;
  PageIo& page_io_;
  FileSync& file_sync_;
  Ledger& ledger_;
  PageLatch& latch_;
  WriteCallbacks callbacks_;
};

}  // namespace mpool::internal

#endif  // MPOOL_MPOOL_WRITE_WRITE_BACK_H_
