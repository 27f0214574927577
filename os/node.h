// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// node.h - a file that is found by its name and not opened yet.
//
// A process that closes any descriptor of a file loses the record locks (fcntl)
// that it has on the file. So a path is looked at through O_PATH first: such a
// descriptor may be closed without a loss. The file is opened for good only
// once it is known to be the right one.

#ifndef MPOOL_OS_NODE_H_
#define MPOOL_OS_NODE_H_

#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "os/file.h"

namespace mpool::os {

class Node {
 public:
  // The file at an absolute path. A symbolic link is ELOOP.
  static absl::StatusOr<Node> Find(std::string_view path);
  // The file `name` below `dir`. A symbolic link is ELOOP.
  static absl::StatusOr<Node> FindAt(const File& dir, std::string_view name);

  absl::StatusOr<FileInfo> Info() const { return file_.Info(); }
  const std::string& path() const { return file_.path(); }

  // Opens this very file, also if its name leads to another one by now.
  // `options` must not create. Unavailable if the name leads to another file
  // and /proc is not mounted.
  absl::StatusOr<File> Open(const File::OpenOptions& options) const;

 private:
  explicit Node(File file) : file_(std::move(file)) {}
  static absl::StatusOr<Node> Own(int fd, std::string path);

  File file_;  // O_PATH
};

}  // namespace mpool::os

#endif  // MPOOL_OS_NODE_H_
