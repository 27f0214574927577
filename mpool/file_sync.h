// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// file_sync.h - fsync of page files, and what its errors leave.
//
// Linux tells a lost write once to each descriptor that was open before, and
// hardly ever to a later one; and a page whose write was lost is clean in the
// kernel's cache, so that a second fsync does not write it again. Therefore:
//
// Invariants:  S1 at most one fsync of a file is under way in an environment;
//              its owner is in FileEntry::fsync_mark from before the call until
//              its outcome is in the entry.
//              S2 a failed fsync first makes every page of the file DIRTY that
//              is UNSYNCED or WRITING, then stores FileEntry::sticky, then
//              clears the mark. Until the error is cleared, each write of the
//              file drops the kernel's cache of it before.
//              S3 the sticky error is cleared only by a Sync that saw it before
//              it wrote all dirty pages, and whose own fsync was good. An error
//              with `lost` (a page that it may have struck had left the pool)
//              stays.
//              S4 an error that no call has returned yet (`told`) is returned
//              by the next Sync, also if that Sync mends it.
//              S5 pages that leave the pool UNSYNCED are counted before their
//              frame is free; a good fsync covers those counted before it.
// Crash:       a mark of a dead owner counts as a failed fsync (S2), because
//              the kernel may have told it the error. Each step can be done
//              again.
// Model:       docs/models/fsync.pml.

#ifndef MPOOL_MPOOL_FILE_SYNC_H_
#define MPOOL_MPOOL_FILE_SYNC_H_

#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/status.h"
#include "mpool/files.h"
#include "mpool/frames.h"
#include "os/clock.h"
#include "region/region.h"

namespace mpool::internal {

class FileSync {
 public:
  FileSync(region::Region& region, FrameTable& frames, FileTable& files)
      : region_(region), frames_(frames), files_(files) {}

  // Makes all writes of the file durable that were over before the call.
  // `before` is the entry's sticky word from before the dirty pages were
  // written; `is_rewritten` tells that all of them were. `deadline` bounds the
  // wait for another fsync.
  // Errors: DataLoss (a failed fsync), DeadlineExceeded, Unavailable (a signal
  // ended the fsync; the pages are dirty again), and those of an open.
  absl::Status MakeDurable(const region::Thread& self, uint32_t index,
                           uint64_t before, bool is_rewritten,
                           const os::Deadline& deadline);

  // One fsync of the file for no caller: an error is in the file's entry,
  // untold. DeadlineExceeded if another fsync is under way.
  absl::Status SyncUntold(const region::Thread& self, uint32_t index);

  // Syncs and closes descriptors that this process keeps, down to `most`. Does
  // not wait for fsyncs of others: those descriptors stay. Returns the first
  // error, which is in the file's entry too, untold.
  absl::Status TrimKept(const region::Thread& self, size_t most);

  // Repair: fsyncs of the dead have failed.
  void Repair(const std::function<bool(uint32_t)>& is_dead);

 private:
  absl::Status Begin(const region::Thread& self, FileEntry& entry,
                     const os::Deadline& deadline);
  static void End(FileEntry& entry);
  absl::Status Fsync(uint32_t index, FileEntry& entry,
                     const SyncHandle& handle);
  bool Redirty(uint32_t index);
  void NoteFailure(uint32_t index, FileEntry& entry, int error);
  absl::Status Tell(FileEntry& entry) const;
  absl::Status SyncKept(const region::Thread& self,
                        const FileTable::Kept& kept);

  region::Region& region_;
  FrameTable& frames_;
  FileTable& files_;
};

}  // namespace mpool::internal

#endif  // MPOOL_MPOOL_FILE_SYNC_H_
