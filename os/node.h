// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// node.h - a file that is found by its name and not opened yet.
//
// A process that closes any descriptor of a file loses its record locks (fcntl)
// on the file, except if the descriptor is O_PATH. So a path is first resolved
// through O_PATH. The file is opened for I/O only after it is known to be the
// right file.

#ifndef MPOOL_OS_NODE_H_
#define MPOOL_OS_NODE_H_

#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "os/file.h"

namespace mpool::os {

class Node {
 public:
  // Finds the file at an absolute path. Returns ELOOP for a symbolic link.
  static absl::StatusOr<Node> Find(std::string_view path);
  // Finds the file `name` below `dir`. Returns ELOOP for a symbolic link.
  static absl::StatusOr<Node> FindAt(const File& dir, std::string_view name);

  absl::StatusOr<FileInfo> Info() const { return file_.Info(); }
  const std::string& path() const { return file_.path(); }

  // Opens exactly this file, also if its name now leads to another file.
  // `options` must not create. Returns Unavailable if the name leads to another
  // file and /proc is not mounted.
  absl::StatusOr<File> Open(const File::OpenOptions& options) const;

 private:
  explicit Node(File file) : file_(std::move(file)) {}
  static absl::StatusOr<Node> Own(int fd, std::string path);

  File file_;  // O_PATH
};

}  // namespace mpool::os

#endif  // MPOOL_OS_NODE_H_
