// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// forgetter.h - gives up the pages of one file: of a file that has no name left
// and no opener, or on request.
//
// Crash:       each page is discarded by itself. A thread that dies has
//              discarded some of them, and its fsync mark counts as a failed
//              fsync. The next sweep continues.

#ifndef MPOOL_MPOOL_EVICT_FORGETTER_H_
#define MPOOL_MPOOL_EVICT_FORGETTER_H_

#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "mpool/evict/evictor.h"
#include "mpool/files/file_table.h"
#include "mpool/page/thread_context.h"

namespace mpool::internal {

// The pages of a file that were given up.
struct Forgotten {
  std::string path;
  Evictor::Discarded pages;
};

class Forgetter {
 public:
  // Called after the pages of a file without a name were given up.
  using Report = std::function<void(const Forgotten&)>;

  Forgetter(FileTable& files, Evictor& evictor, Report report)
      : files_(files), evictor_(evictor), report_(std::move(report)) {}

  // Gives up the pages of a file and frees its entry if no process has the file
  // open and the file provably has no name. True if it did.
  // REQUIRES: no latch is held (not checkable: latches do not know their
  // thread).
  bool ForgetIfGone(ThreadContext& self, uint32_t index);
  // The same for every file. Returns the number of forgotten files. Looks up
  // the path of each closed file.
  uint32_t Sweep(ThreadContext& self);
  // Gives up the pages of a file that no other process has open. `file` is this
  // process's descriptor of it, or null if the file is closed. The page count
  // is then that of the file on disk. Returns FailedPrecondition if another
  // process has the file open or a page is held, Unavailable during its fsync.
  // REQUIRES: no other thread uses the file (not checkable: threads do not
  // announce that they use it).
  absl::StatusOr<Forgotten> Discard(ThreadContext& self, uint32_t index,
                                    const os::File* file);

 private:
  absl::Status Forget(ThreadContext& self, uint32_t index, FileTable::Fate fate,
                      Forgotten* forgotten);

  FileTable& files_;
  Evictor& evictor_;
  const Report report_;
};

}  // namespace mpool::internal

#endif  // MPOOL_MPOOL_EVICT_FORGETTER_H_
