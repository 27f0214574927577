// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// file_claim.h - the claim that this environment caches a file.
//
// Concurrency: none; the mutex of FileHandles guards all claims.
// Invariants:  a file that is not claimed is not written. Each of two pools
//              over one file would miss the other's changes.

#ifndef MPOOL_MPOOL_FILES_FILE_CLAIM_H_
#define MPOOL_MPOOL_FILES_FILE_CLAIM_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "mpool/files/file_entry.h"
#include "os/claims.h"
#include "os/file.h"

namespace mpool::internal {

class FileClaim {
 public:
  // Claims the file at `path` for `owner`, unless the claim is held and allows
  // `access`. Returns FailedPrecondition if another owner has the file, and the
  // errors of OS calls.
  absl::Status Take(os::FileClaims& claims, const std::string& path,
                    const os::FileIdentity& identity, uint64_t owner,
                    FileAccess access);
  void Drop();

  // Replaces this claim by `other` if `other` allows more.
  void RaiseTo(FileClaim other);

 private:
  os::FileClaims::Claim claim_;
  FileAccess access_ = FileAccess::kReading;
};

}  // namespace mpool::internal

#endif  // MPOOL_MPOOL_FILES_FILE_CLAIM_H_
