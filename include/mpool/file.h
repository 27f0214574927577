// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// file.h - one process's handle on a page file of an environment.
//
// Thread safety: every call may be made by any thread at any time, except
// Close and the destructor, which must be the last.

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
// What a get does unless told otherwise; made once, not at each call.
inline constexpr GetOptions kDefaultGet{};
}  // namespace internal

// Descriptors: the first OpenFile of a file opens it, and its last Close closes
// it; a handle for writing that follows one for reading, and a write-back
// through the latter, open it once more. Between the first open and the last
// Close no descriptor of the file is closed, so that the record locks (fcntl,
// lockf) of the program on the file stay. A Sync, Close, OpenFile or a get that
// evicts may open and close descriptors of files that this process has not
// open. mpool takes no lock on a page file: all locks there are the program's.
//
// While a file is open it must not be cut or replaced by others. One that is
// renamed stays the same file to those who have it open; the others find it
// again, for its pages may be theirs to write, once somebody opens it under its
// new name. Dirty pages of a file that was removed stay until the region is
// removed with force.
class MPOOL_EXPORT MPoolFile {
 public:
  MPoolFile(const MPoolFile&) = delete;
  MPoolFile& operator=(const MPoolFile&) = delete;
  // Closes the file and drops the status.
  ~MPoolFile();

  // The page, to read (memp_fget). A page past the end is NotFound unless
  // options.create is set.
  // A page that the calling thread already holds for reading is granted again;
  // one that it holds for update is FailedPrecondition, never a deadlock.
  // Errors: NotFound, DeadlineExceeded (names the holder), DataLoss (the page
  // died with its writer, or is not whole), ResourceExhausted (every frame is
  // held), and what the file system says.
  absl::StatusOr<ReadPage> Get(
      PageNo page, const GetOptions& options = internal::kDefaultGet) noexcept;

  // The page, to change; nobody else holds it until it is put. Waits for those
  // who do. A page that the calling thread already holds is
  // FailedPrecondition: put it first.
  absl::StatusOr<WritePage> GetForUpdate(
      PageNo page, const GetOptions& options = {}) noexcept;

  // A new zeroed page after the last one, to change; number() tells which. It
  // counts in page_count() a moment before it is held here: who gets it then,
  // by its number alone, finds it cleared.
  absl::StatusOr<WritePage> New() noexcept;

  // The last page, to read. NotFound on an empty file.
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

  // Writes every dirty page of the file and makes it durable (fsync). Every
  // change that was put before the call is on disk when it returns Ok.
  // A failed fsync is DataLoss, and its pages are dirty again. If all pages
  // that it may have lost were still in the pool, the next Sync writes them
  // again, and its good fsync clears the error. Otherwise the error stays, in
  // every process, until the region is removed with force.
  // An fsync whose process died in it counts as failed: the next Sync of any
  // process returns that error once, also if it clears it.
  // Errors: DataLoss; NotFound or FailedPrecondition, naming the file, if the
  // file was written and its name does not lead to it any more;
  // DeadlineExceeded; Unavailable if signals ended the fsync: call it again.
  absl::Status Sync() noexcept;

  // Pages of the file, those that are not yet on disk included.
  PageNo page_count() const noexcept;

  FileStats Stats() const noexcept;

  // Gives the handle back. FailedPrecondition while this process holds guards
  // of the file; it lists them. The last one that is open, in any process,
  // writes its dirty pages first, also those of processes that died; if that
  // fails the file stays open and the error says why, but for a read-only
  // handle: its pages stay dirty in the region.
  absl::Status Close() noexcept;

 private:
  friend class DbEnv;
  friend class UpdateGroup;
  MPoolFile(std::shared_ptr<internal::Environment> env,
            internal::OpenedFile* file);

  std::shared_ptr<internal::Environment> env_;
  internal::Pool* pool_;
  internal::OpenedFile* file_;
};

}  // namespace mpool

#endif  // MPOOL_FILE_H_
