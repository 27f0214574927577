// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// file.h - one process's handle on a page file of an environment.
//
// Thread safety: any thread may make any call at any time, except Close and
// the destructor, which must be the last calls.

#ifndef MPOOL_FILE_H_
#define MPOOL_FILE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "mpool/export.h"
#include "mpool/options.h"
#include "mpool/page.h"
#include "mpool/stats.h"
#include "mpool/types.h"

namespace mpool {

namespace internal {
class Environment;
class OpenedFile;
MPOOL_EXPORT absl::Status Unbuilt(const char* what);
// The options of a get without options; built once and not at each call.
inline constexpr GetOptions kDefaultGet{};
}  // namespace internal

// Descriptors: the first OpenFile of a file opens a descriptor, and the last
// Close closes it. A second descriptor is opened by a handle for writing that
// follows a read-only handle, and by a write-back through a read-only handle.
// No descriptor of the file is closed between the first open and the last
// Close. The program thus keeps its record locks (fcntl, lockf) on the file.
// A Sync, Close, OpenFile or evicting get may open and close descriptors of
// files that this process does not have open. mpool never locks a page file:
// all locks there belong to the program.
//
// Other programs must not truncate or replace a file while it is open. Handles
// of a renamed file stay valid. Other processes, which may have to write its
// pages, find the file again after a process opens it under its new name. Dirty
// pages of a removed file stay until the region is removed with force.
class MPOOL_EXPORT MPoolFile {
 public:
  MPoolFile(const MPoolFile&) = delete;
  MPoolFile& operator=(const MPoolFile&) = delete;
  // Closes the file and drops the status.
  ~MPoolFile();

  // Returns the page for reading (memp_fget). A page past the end is NotFound
  // unless options.create is set. A page that the calling thread holds for
  // reading is granted again. A page that it holds for update is
  // FailedPrecondition and never a deadlock.
  // Returns NotFound, errors of the file system, and:
  // - DeadlineExceeded: names the holder
  // - DataLoss: the page was lost with its writer or is not whole, or a panic
  // - ResourceExhausted: every frame is pinned
  // - InvalidArgument: beyond the last page number
  // - OutOfRange: a created page beyond the limit of the file system
  // - FailedPrecondition: a closed handle
  absl::StatusOr<ReadPage> Get(
      PageNo page, const GetOptions& options = internal::kDefaultGet) noexcept;

  // Returns the page for update: no other thread holds the page until its put.
  // Waits for the present holders. FailedPrecondition if the calling thread
  // holds the page: put it first. PermissionDenied on a read-only handle. Other
  // errors: as Get.
  absl::StatusOr<WritePage> GetForUpdate(
      PageNo page, const GetOptions& options = {}) noexcept;

  // Returns a new zeroed page after the last page, for update; number() is its
  // page number. page_count() includes the new page slightly before this call
  // holds it. A Get of that number before then returns a zeroed page. Errors:
  // as GetForUpdate.
  absl::StatusOr<WritePage> New() noexcept;

  // Returns the last page for reading, or NotFound if the file is empty.
  absl::StatusOr<ReadPage> Last() noexcept;

  // Not built yet.
  template <class F>
  absl::Status ReadOptimistic(PageNo, F&&) {
    return internal::Unbuilt("MPoolFile::ReadOptimistic");
  }
  absl::StatusOr<std::vector<ReadPage>> GetBatch(
      std::span<const PageNo> pages, const GetOptions& = {}) noexcept;
  absl::Status Prefetch(PageNo first, uint32_t count) noexcept;
  absl::Status Truncate(PageNo page_count) noexcept;

  // Writes every dirty page of the file and makes the file durable (fsync). If
  // Sync returns Ok, every change that was put before the call is on disk. So
  // is the name of a file that OpenFile created: Sync fsyncs its directory.
  // A failed fsync is DataLoss, and its pages are dirty again. The next Sync
  // writes them again. Its successful fsync clears the error if all pages that
  // the failed fsync may have lost were still in the pool. Otherwise the error
  // stays, in every process, until DbEnv::Forget or Discard clears it.
  // An fsync counts as failed if its process died in it. The next Sync of any
  // process returns that error once, even if it clears the error.
  // Returns DataLoss, DeadlineExceeded, and:
  // - NotFound or FailedPrecondition, with the file's name: the file was
  //   written and its name no longer leads to it
  // - Unavailable: signals interrupted the fsync; call Sync again
  // - PermissionDenied: a read-only handle
  absl::Status Sync() noexcept;

  // Gives up all pages of the file, also pages that were lost with their
  // writers. The changes since the last write-back are lost. Gets then read the
  // file, and page_count() is that of the file on disk. Reports
  // Event::kForgotten. No other thread may use the file during the call.
  // FailedPrecondition if another handle of the file is open in any process or
  // a page is held; Unavailable during an fsync of the file.
  absl::Status Discard() noexcept;

  // Returns the number of pages, including pages that are not yet on disk.
  PageNo page_count() const noexcept;

  FileStats Stats() const noexcept;

  // Closes the handle. FailedPrecondition, with a list, while this process
  // holds guards of the file. The last open handle of the file, in any process,
  // first writes the file's dirty pages, also those of dead processes. If that
  // fails, the file stays open and the error names the reason. A read-only
  // handle closes nevertheless, and its pages stay dirty in the region.
  absl::Status Close() noexcept;

 private:
  friend class DbEnv;
  friend class UpdateGroup;
  MPoolFile(std::shared_ptr<internal::Environment> env,
            internal::OpenedFile* file);

  std::shared_ptr<internal::Environment> env_;
  internal::Getter* getter_;
  internal::OpenedFile* file_;
};

}  // namespace mpool

#endif  // MPOOL_FILE_H_
