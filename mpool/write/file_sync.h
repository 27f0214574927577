// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// file_sync.h - fsync of page files, and how its errors are kept.
//
// Linux reports a lost write once to each descriptor that was open before the
// loss, and hardly ever to a later descriptor. A page whose write was lost is
// clean in the kernel's cache, so that a second fsync does not write it again.
// Therefore:
//
// Invariants:  S1 an environment has at most one fsync of a file under way.
//              FileEntry::fsync_mark names its owner from before the call until
//              its outcome is in the entry.
//              S2 a failed fsync first makes every UNSYNCED or WRITING page of
//              the file DIRTY, then stores FileEntry::sticky, then clears the
//              mark. Until the error is cleared, each write of the file first
//              drops the kernel's cache around the write.
//              S3 the sticky error is cleared only by a Sync that read it
//              before it wrote all dirty pages, and whose own fsync was good.
//              An error with `lost` stays: a page that it may have affected had
//              left the pool.
//              S4 an error that no call has returned yet (`told` is false) is
//              returned by the next Sync, even if that Sync clears it.
//              S5 pages that leave the pool UNSYNCED are counted before their
//              frame is free. A good fsync covers the pages counted before it.
//              S6 when a process dies, or leaves without an fsync, every page
//              that no fsync has covered becomes DIRTY. Its descriptor is
//              closed, and the kernel may forget a lost write of a file that no
//              process has open.
//              S7 FileEntry::name_unsynced is cleared only by the owner of the
//              mark, after an fsync of the file's directory, or if the file has
//              lost its name.
// Crash:       a mark of a dead owner counts as a failed fsync (S2), because
//              the kernel may have reported the error to that owner. Each step
//              can be repeated.
// Model:       docs/models/fsync.pml.

#ifndef MPOOL_MPOOL_WRITE_FILE_SYNC_H_
#define MPOOL_MPOOL_WRITE_FILE_SYNC_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "mpool/files/file_handles.h"
#include "mpool/files/file_table.h"
#include "mpool/memory/frame_table.h"
#include "os/clock.h"
#include "region/members.h"
#include "region/repair.h"
#include "region/repair_pass.h"

namespace mpool::internal {

// The dirty pages of a file that a Sync wrote before its fsync.
enum class Written { kSome, kAll };

class FileSync {
 public:
  FileSync(region::Members& members, region::Repairer& repairer,
           FrameTable& frames, FileTable& table, FileHandles& handles)
      : members_(members),
        repairer_(repairer),
        frames_(frames),
        table_(table),
        handles_(handles) {}

  // Makes all writes of the file durable that ended before the call. `before`
  // is the entry's sticky word, read before the dirty pages were written.
  // `deadline` bounds the wait for another fsync.
  // Errors: DataLoss (a failed fsync), DeadlineExceeded, Unavailable (a signal
  // ended the fsync, or a process died; pages are dirty again), and the errors
  // of an open.
  absl::Status MakeDurable(const region::Thread& self, uint32_t index,
                           uint64_t before, Written written,
                           const os::Deadline& deadline);

  // Syncs the file once and returns the fsync's error. A DataLoss error is also
  // in the file's entry, not marked as reported. Returns DeadlineExceeded if
  // another fsync is under way.
  absl::Status SyncUntold(const region::Thread& self, uint32_t index);

  // Syncs and closes descriptors that this process keeps, down to `most`. Waits
  // up to `wait` for each fsync of another thread; after that the descriptor
  // stays, which is DeadlineExceeded unless `wait` is zero. Returns the first
  // error. A DataLoss error is also in the file's entry, not marked as
  // reported.
  absl::Status TrimKept(const region::Thread& self, size_t most,
                        absl::Duration wait = absl::ZeroDuration());

  // Records the fsyncs of dead processes as failed, and calls RedirtyUnsynced.
  void Repair(const region::RepairPass& pass);
  // The same for every fsync, for an adoption.
  // REQUIRES: no other process is attached. Not checkable: the register knows.
  void FailAll();

  // Makes every page DIRTY whose write no fsync has covered (S6).
  void RedirtyUnsynced();

 private:
  template <class IsDead>
  void FailSyncsOf(IsDead&& is_dead);
  static void NoteSuspect(FileEntry& entry);
  static void Clear(FileEntry& entry, uint64_t seen);
  absl::Status Begin(const region::Thread& self, FileEntry& entry,
                     const os::Deadline& deadline);
  static void End(FileEntry& entry);
  absl::Status Fsync(uint32_t index, FileEntry& entry,
                     const SyncHandle& handle);
  absl::Status SyncName(FileEntry& entry, const os::File& file);
  absl::Status GiveUpName(const region::Thread& self, FileEntry& entry,
                          uint32_t generation, const absl::Status& why,
                          const os::Deadline& deadline);
  bool Redirty(uint32_t index);
  void NoteFailure(uint32_t index, FileEntry& entry, int error);
  absl::Status DescribeError(FileEntry& entry) const;
  absl::Status RepairAfterOpen(const region::Thread& self, uint32_t index,
                               const SyncHandle& handle,
                               const os::Deadline& deadline);
  absl::StatusOr<SyncHandle> ForSync(const region::Thread& self,
                                     uint32_t index,
                                     const os::Deadline& deadline);
  absl::Status SyncKept(const region::Thread& self,
                        const FileHandles::Kept& kept, absl::Duration wait);

  region::Members& members_;
  region::Repairer& repairer_;
  FrameTable& frames_;
  FileTable& table_;
  FileHandles& handles_;
};

}  // namespace mpool::internal

#endif  // MPOOL_MPOOL_WRITE_FILE_SYNC_H_
