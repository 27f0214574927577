// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "os/lost_fd.h"

#include <cerrno>

#include "absl/strings/str_cat.h"
#include "os/status.h"

namespace mpool::os {

absl::StatusOr<bool> IsLost(const File& file, const FileIdentity& identity) {
  const absl::StatusOr<FileInfo> info = file.Info();
  if (info.ok()) return info->identity != identity;
  if (StatusErrno(info.status()) == EBADF) return true;
  // Other errors are temporary and do not show that the fd is lost.
  return info.status();
}

bool ForgetIfLost(File& file, const FileIdentity& identity) {
  const bool lost = IsLost(file, identity).value_or(false);
  if (lost) file.Forget();
  return lost;
}

absl::StatusOr<File> OpenSameDirectory(std::string_view path,
                                       const FileIdentity& identity) {
  MPOOL_ASSIGN_OR_RETURN(File dir, File::OpenDirectory(path));
  MPOOL_ASSIGN_OR_RETURN(const FileInfo info, dir.Info());
  if (info.identity == identity) return dir;
  return absl::FailedPreconditionError(absl::StrCat(
      "use environment ", os::Abs(path),
      ": another directory has its name now; put the old one back, or close "
      "the environment and open it again"));
}

absl::StatusOr<File> ReopenDirectory(const File& dir,
                                     const FileIdentity& identity) {
  MPOOL_ASSIGN_OR_RETURN(const bool lost, IsLost(dir, identity));
  return lost ? OpenSameDirectory(dir.path(), identity)
              : absl::StatusOr<File>(File());
}

}  // namespace mpool::os
