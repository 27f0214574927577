// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// file_opener.h - opens and closes handles of page files.
//
// Role:        the sequence of steps over FileTable (the shared entry),
//              FileHandles (this process's descriptors) and FileWatch (changes
//              by others). An open may evict pages of another page size, so
//              opening lies above evict/.
// Concurrency: an open and a close hold the files latch, then the mutex of
//              FileHandles.
// Invariants:  O1 the file is claimed for this environment before any other use
//              of it.
//              O2 all handles of a file agree on page size and LSN offset.
//              O3 a file that no process had open is compared with the times
//              that the pool saw last. Any difference drops its clean pages; if
//              others changed the bytes of unwritten pages, the open fails.
// Crash:       see the steps F1 to F8 of file_entry.h.
// Lock rank:   kFiles. `drop` acquires bucket and queue latches under it.

#ifndef MPOOL_MPOOL_POOL_FILE_OPENER_H_
#define MPOOL_MPOOL_POOL_FILE_OPENER_H_

#include <cstdint>
#include <functional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "mpool/files/file_entry.h"
#include "mpool/files/file_handles.h"
#include "mpool/files/file_table.h"
#include "region/thread.h"

namespace mpool::internal {

class FileOpener {
 public:
  FileOpener(FileTable& table, FileHandles& handles)
      : table_(table), handles_(handles) {}

  using Drop = FileTable::Drop;
  // The error for the page size 0 with a file that the region does not know.
  static absl::Status NoPageSize(const std::string& path);
  // Replaces the page size 0 of a request by that of the file's entry. Returns
  // InvalidArgument if there is no entry, or if no Lsn fits at the offset.
  absl::Status FindPageSize(const region::Thread& self, OpenRequest* request);

  // Opens a handle. Calls `make_room` first, under the files latch. `drop`
  // evicts a closed entry's clean pages. Returns the errors of `make_room` and
  // `drop`, FailedPrecondition, InvalidArgument, Unavailable and
  // ResourceExhausted.
  absl::StatusOr<OpenedFile> Open(
      const region::Thread& self, const OpenRequest& request,
      const std::function<absl::Status()>& make_room, const Drop& drop);

  // Closes a handle and returns kClosed. The last handle in the environment
  // stays open until its pages are written: the first call returns a number.
  // The caller writes the pages back and calls Close again with that number as
  // `written`. The handle stays open again if a process opened the file between
  // the calls. kAnyway closes the handle in any case.
  static constexpr uint64_t kClosed = 0;
  static constexpr uint64_t kAnyway = ~uint64_t{0};
  uint64_t Close(const region::Thread& self, const OpenedFile& file,
                 uint64_t written);

  // Marks the parent's handles open in a forked child, as if the child opened
  // the files now. Marks none of them if a handle is void or a file cannot be
  // opened. `check_room` checks under the files latch whether the page sizes
  // fit, one bit a class.
  absl::Status MarkOpenInChild(
      const region::Thread& self,
      const std::function<absl::Status(uint32_t classes)>& check_room,
      const Drop& drop);

 private:
  absl::StatusOr<OpenedFile> OpenClaimed(
      const region::Thread& self, const OpenRequest& request,
      const std::function<absl::Status()>& make_room, const Drop& drop,
      FileClaim& claimed);
  absl::StatusOr<uint32_t> FindOrClaim(const region::Thread& self,
                                       const OpenRequest& request,
                                       const os::FileInfo& info,
                                       const Drop& drop);
  static absl::Status CheckAgrees(const OpenRequest& request,
                                  const FileEntry& entry);
  static absl::Status CheckRenewal(const OpenRequest& request,
                                   const FileEntry& entry);
  absl::Status Match(const region::Thread& self, const OpenRequest& request,
                     uint32_t index, const Drop& drop);
  absl::Status MatchAgain(const region::Thread& self,
                          const OpenRequest& request, FileEntry& entry);
  absl::Status OpenInChild(const FileHandles::Lock& lock,
                           const region::Thread& self, uint32_t index,
                           const Drop& drop);

  FileTable& table_;
  FileHandles& handles_;
};

}  // namespace mpool::internal

#endif  // MPOOL_MPOOL_POOL_FILE_OPENER_H_
