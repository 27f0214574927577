// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "region/move.h"

#include <cstring>
#include <string>

#include "absl/strings/str_cat.h"
#include "os/assert.h"
#include "os/backing/segment.h"
#include "os/filesystem.h"
#include "os/status.h"
#include "os/step.h"
#include "region/descriptor.h"

namespace mpool::region {
namespace {

// Returns the name that the segment has if the home has that device number.
std::string NameUnder(const FixedHeader& fixed, uint64_t device) {
  return os::NameUnder(static_cast<Backing>(fixed.backing),
                       {.device = device,
                        .inode = fixed.home_inode,
                        .birth_ns = fixed.home_birth_ns},
                       CreationOf(fixed), fixed.segment);
}

absl::Status Describe(const os::File& home, FixedHeader fixed) {
  Seal(&fixed);
  return WriteDescriptor(home, fixed);
}

// Step 2 of a move.
absl::Status RenameMemory(const os::File& home, const FixedHeader& moved) {
  MPOOL_ASSERT(moved.moved_from != 0);
  MPOOL_ASSIGN_OR_RETURN(const os::FileInfo info, home.Info());
  // A copy of the file system may have the old device number now. The file
  // system itself may have it again.
  if (moved.moved_from != info.identity.device &&
      !os::WasMountedAs(home, moved.moved_from, moved.home_filesystem)) {
    return absl::OkStatus();
  }
  const absl::Status renamed = os::RenameMapping(
      static_cast<Backing>(moved.backing), home,
      NameUnder(moved, moved.moved_from), moved.segment);
  MPOOL_STEP("region.move.renamed");
  // If the memory is gone, Join reports it.
  return absl::IsNotFound(renamed) ? absl::OkStatus() : renamed;
}

}  // namespace

absl::StatusOr<bool> HasMoved(const os::File& home,
                              const FixedHeader& descriptor) {
  MPOOL_ASSIGN_OR_RETURN(const os::FileInfo info, home.Info());
  const Backing backing = static_cast<Backing>(descriptor.backing);
  if (descriptor.home_device == info.identity.device ||
      descriptor.home_inode != info.identity.inode ||
      descriptor.home_birth_ns != info.identity.birth_ns ||
      info.identity.birth_ns == 0 || descriptor.moved_from != 0 ||
      descriptor.segment != NameUnder(descriptor, descriptor.home_device) ||
      !os::WasMountedAs(home, descriptor.home_device,
                        descriptor.home_filesystem)) {
    return false;
  }
  const absl::StatusOr<bool> in_use =
      os::IsMappingInUse(backing, home, descriptor.segment);
  if (absl::IsNotFound(in_use.status())) return false;
  MPOOL_RETURN_IF_ERROR(in_use.status());
  if (!*in_use) return true;
  return absl::FailedPreconditionError(absl::StrCat(
      "join region of ", home.path(), ": its file system was mounted again, "
      "and a process still has the memory from before: end that process, or "
      "let it close, and try again"));
}

absl::Status FollowHome(const os::File& home, FixedHeader* descriptor) {
  MPOOL_ASSERT(descriptor != nullptr);
  MPOOL_ASSIGN_OR_RETURN(const os::FileInfo info, home.Info());
  if (descriptor->moved_from != 0 &&
      descriptor->home_device != info.identity.device) {
    // A death cut the last move short, and the file system was mounted again.
    MPOOL_RETURN_IF_ERROR(RenameMemory(home, *descriptor));
    descriptor->moved_from = 0;
  }
  MPOOL_ASSIGN_OR_RETURN(const bool has_moved, HasMoved(home, *descriptor));
  if (has_moved) {
    FixedHeader moved = *descriptor;
    moved.moved_from = descriptor->home_device;
    moved.home_device = info.identity.device;
    const std::string name = NameUnder(moved, moved.home_device);
    std::memset(moved.segment, 0, sizeof(moved.segment));
    MPOOL_ASSERT(name.size() < sizeof(moved.segment));
    name.copy(moved.segment, sizeof(moved.segment) - 1);
    MPOOL_STEP("region.move.describe");
    MPOOL_RETURN_IF_ERROR(Describe(home, moved));
    MPOOL_STEP("region.move.described");
    *descriptor = moved;
  }
  if (descriptor->moved_from == 0 ||
      descriptor->home_device != info.identity.device) {
    return absl::OkStatus();
  }
  return RenameMemory(home, *descriptor);
}

absl::Status EndMove(const os::File& home, const FixedHeader& descriptor) {
  if (descriptor.moved_from == 0) return absl::OkStatus();
  FixedHeader ended = descriptor;
  ended.moved_from = 0;
  MPOOL_STEP("region.move.end");
  MPOOL_RETURN_IF_ERROR(Describe(home, ended));
  MPOOL_STEP("region.move.ended");
  return absl::OkStatus();
}

}  // namespace mpool::region
