// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "mpool/files/file_claim.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "os/assert.h"

namespace mpool::internal {

absl::Status FileClaim::Take(os::FileClaims& claims, const std::string& path,
                             const os::FileIdentity& identity, uint64_t owner,
                             FileAccess access) {
  MPOOL_ASSERT(identity.inode != 0);
  if (claim_.held() &&
      (access_ == FileAccess::kWriting || access == FileAccess::kReading)) {
    return absl::OkStatus();
  }
  absl::StatusOr<os::FileClaims::Claim> claim =
      claims.Take(path, identity, owner,
                  /*for_writing=*/access == FileAccess::kWriting);
  if (!claim.ok()) {
    // The path is known, so NotFound is not the answer for the caller.
    const bool is_gone = absl::IsNotFound(claim.status());
    absl::Status status(
        is_gone ? absl::StatusCode::kFailedPrecondition : claim.status().code(),
        absl::StrCat("open file ", path, ": it cannot be claimed: ",
                     claim.status().message(),
                     is_gone ? "; its directory was removed or renamed, or "
                               "this process changed its root (chroot): open "
                               "the file by its present path"
                             : ""));
    claim.status().ForEachPayload(
        [&](absl::string_view type, const absl::Cord& payload) {
          status.SetPayload(type, payload);
        });
    return status;
  }
  if (claim->held()) {
    claim_ = *std::move(claim);
    access_ = access;
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(absl::StrCat(
      "open file ", path, ": a process has it open in another environment, "
      "whose pages would not be the same; open it through that one's home, or "
      "close it there"));
}

void FileClaim::Drop() {
  claim_.Drop();
  access_ = FileAccess::kReading;
  MPOOL_ASSERT(!claim_.held());
}

void FileClaim::RaiseTo(FileClaim other) {
  const bool is_stronger = other.access_ == FileAccess::kWriting &&
                           access_ == FileAccess::kReading;
  if (claim_.held() && !is_stronger) return;
  *this = std::move(other);
}

}  // namespace mpool::internal
