// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// lost.h - fds that the program closed under us.
//
// A program, above all a forked child, may close every fd that it does not
// know. The number is nobody's then, or another file's: neither used nor closed
// by us any more.

#ifndef MPOOL_OS_LOST_H_
#define MPOOL_OS_LOST_H_

#include <string_view>

#include "absl/status/statusor.h"
#include "os/file.h"

namespace mpool::os {

// Whether the file's fd is lost; an error if that cannot be told now.
absl::StatusOr<bool> IsLost(const File& file, const FileIdentity& identity);

// Forgets the fd if it is lost for sure, and tells so.
bool ForgetIfLost(File& file, const FileIdentity& identity);

// The directory that has the path, if it is still that one.
absl::StatusOr<File> OpenSameDirectory(std::string_view path,
                                       const FileIdentity& identity);

// The directory again, by its path, if its fd is lost; a closed File if `dir`
// is still good.
absl::StatusOr<File> ReopenDirectory(const File& dir,
                                     const FileIdentity& identity);

}  // namespace mpool::os

#endif  // MPOOL_OS_LOST_H_
