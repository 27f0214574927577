// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "region/remove.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "os/assert.h"
#include "os/backing/segment.h"
#include "os/clock.h"
#include "os/directory.h"
#include "os/status.h"
#include "os/step.h"
#include "os/trust.h"
#include "region/descriptor.h"
#include "region/home_files.h"
#include "region/identity.h"
#include "region/limits.h"
#include "region/move.h"
#include "region/unnamed.h"

namespace mpool::region {

absl::StatusOr<RegionRemover> RegionRemover::Begin(os::File home,
                                                   absl::Duration wait) {
  RegionRemover remover;
  remover.home_ = std::make_unique<os::File>(std::move(home));
  MPOOL_RETURN_IF_ERROR(os::CheckDirectory(*remover.home_));
  MPOOL_ASSIGN_OR_RETURN(const bool claimed,
                         os::IsDirectoryClaimed(*remover.home_));
  if (claimed) return InUseUnnamed("remove", *remover.home_);
  // A region still has pages if its lock file was lost.
  const bool described = os::InfoAt(*remover.home_, kDescriptorName).ok() ||
                         os::HasStrayMappings(*remover.home_);
  const absl::StatusOr<os::LockFile> lock_file =
      os::LockFile::Open(*remover.home_, kRegisterName, described, 0600);
  if (absl::IsNotFound(lock_file.status())) return remover;
  MPOOL_RETURN_IF_ERROR(lock_file.status());
  absl::StatusOr<os::ByteLock> gate = lock_file->Lock(0, os::Deadline(wait));
  // Another remover removed the lock file.
  if (absl::IsNotFound(gate.status())) return remover;
  MPOOL_RETURN_IF_ERROR(gate.status());
  if (!gate->held()) {
    return GateTimeout(
        absl::StrCat("remove region of ", remover.home_->path(), ": "),
        *lock_file, wait);
  }
  remover.gate_ = *std::move(gate);
  MPOOL_ASSIGN_OR_RETURN(const std::optional<uint64_t> holder,
                         lock_file->FindHeld(1, kMaxProcesses));
  if (holder.has_value()) {
    return absl::FailedPreconditionError(absl::StrCat(
        "remove region of ", remover.home_->path(), ": process slot ", *holder,
        " is in use; close every program that has it open"));
  }
  MPOOL_ASSIGN_OR_RETURN(remover.descriptor_, ReadDescriptor(*remover.home_));
  if (remover.descriptor_.has_value()) {
    MPOOL_RETURN_IF_ERROR(
        FollowHome(*remover.home_, &*remover.descriptor_));
    MPOOL_RETURN_IF_ERROR(
        CheckRegister(*remover.home_, *remover.descriptor_));
  }
  return remover;
}

absl::Status RemoveRegionFiles(const os::File& home,
                               const std::optional<FixedHeader>& descriptor) {
  MPOOL_STEP("region.remove.segment");
  MPOOL_RETURN_IF_ERROR(RemoveMemory(home, descriptor).status());
  MPOOL_STEP("region.remove.segment_gone");
  MPOOL_RETURN_IF_ERROR(os::UnlinkAt(home, kNewDescriptorName));
  MPOOL_RETURN_IF_ERROR(os::UnlinkAt(home, kDescriptorName));
  MPOOL_STEP("region.remove.descriptor_gone");
  // A process that waits for byte 0 of this file finds that the name is gone
  // and starts over with a new file.
  MPOOL_RETURN_IF_ERROR(os::UnlinkAt(home, kRegisterName));
  MPOOL_STEP("region.remove.register_gone");
  return absl::OkStatus();
}

absl::Status RegionRemover::Finish() {
  MPOOL_ASSERT(home_ != nullptr);
  if (!gate_.held()) return absl::OkStatus();
  MPOOL_RETURN_IF_ERROR(RemoveRegionFiles(*home_, descriptor_));
  gate_.Drop();
  return absl::OkStatus();
}

}  // namespace mpool::region
