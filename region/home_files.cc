// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "region/home_files.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "os/backing/segment.h"
#include "os/directory.h"
#include "os/lost_fd.h"
#include "os/status.h"
#include "region/descriptor.h"

namespace mpool::region {

absl::Status HomeFiles::OpenRegister(bool create, int mode) {
  MPOOL_ASSERT(!register_.has_value());
  MPOOL_ASSIGN_OR_RETURN(
      register_,
      os::LockFile::Open(home_, kRegisterName, create, mode, [this] {
        return absl::IsNotFound(os::InfoAt(home_, kDescriptorName).status());
      }));
  return absl::OkStatus();
}

absl::Status HomeFiles::MakeUnnamedRegister() {
  MPOOL_ASSERT(!register_.has_value());
  MPOOL_ASSIGN_OR_RETURN(register_, os::LockFile::Unnamed());
  return absl::OkStatus();
}

void HomeFiles::ForgetLost() {
  os::ForgetIfLost(home_, identity_);
  if (register_.has_value()) register_->ForgetLost();
}

absl::Status HomeFiles::ReopenHome() {
  MPOOL_ASSIGN_OR_RETURN(os::File again,
                         os::ReopenDirectory(home_, identity_));
  if (again.is_open()) {
    home_.Forget();
    home_ = std::move(again);
  }
  return absl::OkStatus();
}

// mpool uses and removes memory only under the name that follows from home and
// creation. A descriptor with another name is refused.
absl::StatusOr<std::string_view> CheckDescriptor(
    const os::File& home, const FixedHeader& descriptor) {
  MPOOL_ASSIGN_OR_RETURN(const os::FileInfo info, home.Info());
  const os::FileIdentity described = {.device = descriptor.home_device,
                                      .inode = descriptor.home_inode,
                                      .birth_ns = descriptor.home_birth_ns};
  if (!(described == info.identity)) {
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

absl::StatusOr<bool> RemoveMemory(
    const os::File& home, const std::optional<FixedHeader>& descriptor) {
  if (descriptor.has_value()) {
    MPOOL_ASSIGN_OR_RETURN(const std::string_view why,
                           CheckDescriptor(home, *descriptor));
    if (why.empty()) {
      MPOOL_RETURN_IF_ERROR(
          os::RemoveMapping(static_cast<Backing>(descriptor->backing), home,
                            descriptor->segment));
    }
  }
  MPOOL_ASSIGN_OR_RETURN(const uint32_t strays, os::RemoveStrayMappings(home));
  return descriptor.has_value() || strays != 0;
}

}  // namespace mpool::region
