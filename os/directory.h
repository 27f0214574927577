// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// directory.h - names of files below an open directory.

#ifndef MPOOL_OS_DIRECTORY_H_
#define MPOOL_OS_DIRECTORY_H_

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "os/file.h"

namespace mpool::os {

// Returns the state of `name` below `dir`, or of an absolute `name`. Neither
// opens the file nor follows a link. Returns NotFound if it does not exist.
absl::StatusOr<FileInfo> InfoAt(const File& dir, std::string_view name);
// Returns the error of a failed removal, with advice.
absl::Status RemoveError(int error, std::string_view path);
// Removes a file below `dir`. Returns Ok if it does not exist.
absl::Status UnlinkAt(const File& dir, std::string_view name);
// Renames `from` to `to`, both below `dir`. Replaces an existing `to`.
absl::Status RenameAt(const File& dir, std::string_view from,
                      std::string_view to);
// Returns the path of `name` below `dir`, or of an absolute `name`, for errors.
std::string PathBelow(const File& dir, std::string_view name);
// Returns `path` as an absolute path without links. The path must exist. If a
// directory above it cannot be examined and the path can be opened all the
// same, returns an absolute `path` without ".", ".." and double slashes.
absl::StatusOr<std::string> AbsolutePath(std::string_view path);

}  // namespace mpool::os

#endif  // MPOOL_OS_DIRECTORY_H_
