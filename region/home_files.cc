// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// home_files.cc - checks that descriptor, memory and register belong together.

#include <cstring>

#include "absl/strings/str_cat.h"
#include "os/status.h"
#include "region/region.h"

namespace mpool::region {

uint64_t CreationOf(const FixedHeader& fixed) {
  uint64_t creation = 0;
  std::memcpy(&creation, fixed.creation_id, sizeof(creation));
  return creation;
}

// mpool uses and removes memory only under the name that follows from home and
// creation. A descriptor with another name is refused.
absl::StatusOr<std::string_view> CheckDescriptor(const os::File& home,
                                          const FixedHeader& descriptor) {
  MPOOL_ASSIGN_OR_RETURN(const os::FileInfo info, home.Info());
  if (descriptor.home_device != info.identity.device ||
      descriptor.home_inode != info.identity.inode ||
      descriptor.home_birth_ns != info.identity.birth_ns) {
    return "its descriptor __db.001 is that of another home";
  }
  const bool is_ours =
      os::IsMappingName(static_cast<Backing>(descriptor.backing),
                        info.identity, CreationOf(descriptor),
                        descriptor.segment);
  return is_ours ? "" : kOfAnotherCreation;
}

// Compares times of birth, if the file system keeps them. A renamed file keeps
// its time of birth.
absl::Status CheckRegister(const os::File& home,
                           const FixedHeader& descriptor) {
  const auto locks = os::InfoAt(home, kRegisterName);
  const auto described = os::InfoAt(home, kDescriptorName);
  const auto why_not = CheckDescriptor(home, descriptor);
  if (!locks.ok() || !described.ok() || !why_not.ok() || !why_not->empty() ||
      described->identity.birth_ns == 0 ||
      locks->identity.birth_ns <= described->identity.birth_ns) {
    return absl::OkStatus();
  }
  const absl::StatusOr<bool> in_use = os::IsMappingInUse(
      static_cast<Backing>(descriptor.backing), home, descriptor.segment);
  if (!in_use.value_or(false)) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      "join region of ", home.path(), ": its lock file ", kRegisterName,
      " was removed while processes were inside, who still have its memory: "
      "let them close, or end them, and try again"));
}

}  // namespace mpool::region
