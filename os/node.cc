// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "os/node.h"

#include <fcntl.h>

#include <cerrno>

#include "absl/strings/str_cat.h"
#include "os/directory.h"
#include "os/low_fds.h"
#include "os/retry.h"
#include "os/status.h"
#include "os/syscalls.h"

namespace mpool::os {
namespace {

constexpr int kNodeFlags = O_PATH | O_NOFOLLOW | O_CLOEXEC;

}  // namespace

absl::StatusOr<Node> Node::Own(int fd, std::string path) {
  if (fd < 0) return OpenError(errno, path);
  MPOOL_ASSIGN_OR_RETURN(File file, File::Own(fd, std::move(path)));
  Node node(std::move(file));
  // O_PATH opens a symbolic link instead of refusing it.
  MPOOL_ASSIGN_OR_RETURN(const FileInfo info, node.Info());
  if (info.is_link) return OpenError(ELOOP, node.path());
  return node;
}

absl::StatusOr<Node> Node::Find(std::string_view path) {
  std::string name(path);
  const LowFds taken;
  const int fd =
      RetryEintr([&] { return Sys().open(name.c_str(), kNodeFlags, 0); });
  return Own(fd, std::move(name));
}

absl::StatusOr<Node> Node::FindAt(const File& dir, std::string_view name) {
  const std::string below(name);
  const LowFds taken;
  const int fd = RetryEintr(
      [&] { return Sys().openat(dir.fd(), below.c_str(), kNodeFlags, 0); });
  return Own(fd, PathBelow(dir, name));
}

absl::StatusOr<File> Node::Open(const File::OpenOptions& options) const {
  File::OpenOptions how = options;
  how.no_follow = false;
  absl::StatusOr<File> file =
      File::Open(absl::StrCat("/proc/self/fd/", file_.fd()), how, path());
  if (!absl::IsNotFound(file.status())) return file;
  how.no_follow = true;
  file = File::Open(path(), how);
  MPOOL_RETURN_IF_ERROR(file.status());
  MPOOL_ASSIGN_OR_RETURN(const FileInfo opened, file->Info());
  MPOOL_ASSIGN_OR_RETURN(const FileInfo found, Info());
  if (opened.identity == found.identity) return file;
  return absl::UnavailableError(absl::StrCat(
      "open: ", path(), ": another file took its name; try again"));
}

}  // namespace mpool::os
