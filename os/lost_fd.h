// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// lost_fd.h - fds of mpool that the program closed.
//
// A program, above all a forked child, may close every fd that it does not
// know. The fd's number is free then, or belongs to another file. mpool neither
// uses nor closes the number any more.

#ifndef MPOOL_OS_LOST_FD_H_
#define MPOOL_OS_LOST_FD_H_

#include <string_view>

#include "absl/status/statusor.h"
#include "os/file.h"

namespace mpool::os {

// True if the fd of `file` is closed or belongs to another file. Returns an
// error if the state cannot be determined now.
absl::StatusOr<bool> IsLost(const File& file, const FileIdentity& identity);

// Forgets the fd if it is certainly lost. Returns true if it is.
bool ForgetIfLost(File& file, const FileIdentity& identity);

// Opens the directory at `path`. Returns FailedPrecondition if its identity is
// not `identity`.
absl::StatusOr<File> OpenSameDirectory(std::string_view path,
                                       const FileIdentity& identity);

// Opens the directory again by its path if the fd of `dir` is lost. Returns a
// closed File if `dir` is still good.
absl::StatusOr<File> ReopenDirectory(const File& dir,
                                     const FileIdentity& identity);

}  // namespace mpool::os

#endif  // MPOOL_OS_LOST_FD_H_
