// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "os/directory_sync.h"

#include <cerrno>
#include <string>

#include "os/status.h"
#include "os/syscalls.h"

namespace mpool::os {

absl::Status SyncDirectoryOf(const File& file, std::string_view path) {
  MPOOL_ASSIGN_OR_RETURN(const FileInfo info, file.Info());
  if (info.links == 0) return absl::OkStatus();
  const std::string name = file.CurrentPath().value_or(std::string(path));
  const size_t slash = name.rfind('/');
  const absl::StatusOr<File> dir = File::OpenDirectory(
      slash == 0 || slash == name.npos ? "/" : name.substr(0, slash));
  absl::Status status = dir.status();
  if (dir.ok()) {
    status = dir->Sync();
    if (StatusErrno(status) != EINVAL) return status;
  }
  if (Sys().syncfs(file.fd()) == 0) return absl::OkStatus();
  return ErrnoToStatus(errno, "sync the file system of", name);
}

}  // namespace mpool::os
