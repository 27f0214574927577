// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "os/directory.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>

#include <array>

#include "absl/strings/str_cat.h"
#include "os/retry.h"
#include "os/status.h"
#include "os/syscalls.h"

namespace mpool::os {

absl::Status RemoveError(int error, std::string_view path) {
  std::string_view advice;
  if (error == EPERM || error == EACCES) {
    advice = "remove it as its owner; it may be immutable (lsattr)";
  }
  return ErrnoToStatus(error, "remove", path, advice);
}

std::string PathBelow(const File& dir, std::string_view name) {
  if (name.starts_with('/')) return std::string(name);
  return absl::StrCat(dir.path(), "/", Abs(name));
}

absl::StatusOr<FileInfo> InfoAt(const File& dir, std::string_view name) {
  const std::string below(name);
  return ReadInfo(dir.fd(), below.c_str(), AT_SYMLINK_NOFOLLOW,
                  PathBelow(dir, name));
}

absl::Status UnlinkAt(const File& dir, std::string_view name) {
  const std::string below(name);
  if (RetryEintr([&] { return Sys().unlinkat(dir.fd(), below.c_str(), 0); }) ==
          0 ||
      errno == ENOENT) {
    return absl::OkStatus();
  }
  return RemoveError(errno, PathBelow(dir, name));
}

absl::Status RenameAt(const File& dir, std::string_view from,
                      std::string_view to) {
  const std::string old_name(from);
  const std::string new_name(to);
  if (RetryEintr([&] {
        return Sys().renameat(dir.fd(), old_name.c_str(), dir.fd(),
                              new_name.c_str());
      }) != 0) {
    return ErrnoToStatus(errno, absl::StrCat("rename to ", new_name),
                         absl::StrCat(dir.path(), "/", old_name));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> AbsolutePath(std::string_view path) {
  const std::string name(path);
  std::array<char, PATH_MAX> resolved;
  if (Sys().realpath(name.c_str(), resolved.data()) == nullptr) {
    return ErrnoToStatus(errno, "find the absolute path of", name,
                         errno == ENAMETOOLONG ? "use shorter names" : "");
  }
  return std::string(resolved.data());
}

}  // namespace mpool::os
