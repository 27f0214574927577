// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// trust.h - what is taken for a file of an environment, and from whom.
//
// Who uses an environment trusts root, the owner of its directory, and those
// whom that owner lets write there. What anybody else could have put under one
// of the environment's names is neither read, mapped, changed nor removed:
//
// T1 A directory that everybody may write to has the sticky bit: otherwise
//    anybody could replace what the others made.
// T2 A file of the environment is a regular file with no other name.
// T3 It belongs to the user himself, to root or to the directory's owner; or
//    to the directory's group, if that group may write there and not everybody
//    may. Give a directory that a group shares the set-group-ID bit (2770), so
//    that what is made there belongs to the group. The number that stands for
//    all who have none in a user namespace is nobody's.
// T4 Not everybody may write to it.
//
// They are checked on open descriptors. Opening neither follows a symbolic link
// nor waits for what a FIFO, a device or a lease would wait for.

#ifndef MPOOL_OS_TRUST_H_
#define MPOOL_OS_TRUST_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "os/file.h"

namespace mpool::os {

// T1, of the directory itself.
absl::Status CheckDirectory(const File& dir);

// Whether what belongs to `user` and `group` may be of an environment in `dir`:
// T3.
bool IsTrusted(const FileInfo& dir, uint32_t user, uint32_t group);
// The error of what may not.
absl::Status NotTrusted(const FileInfo& dir, std::string_view path,
                        uint32_t user, uint32_t group);

// The error of what is not a regular file but of another `mode`.
absl::Status NotRegular(std::string_view path, uint32_t mode);
// T2 and T3. `dir` is the environment's directory, wherever the file lies;
// `path` is for errors.
absl::Status CheckOwn(const FileInfo& dir, const FileInfo& file,
                      std::string_view path);

// OpenAt for a file of the environment that exists: T2 to T4.
absl::StatusOr<File> OpenOwn(const File& dir, std::string_view name,
                             File::Mode mode);
// How to make a new one. If `permissions` let a group in, it is the group that
// shares the directory.
File::OpenOptions NewOwn(const FileInfo& dir, int permissions);
// Removes a file of the environment; Ok if it is not there, and an error if it
// is not one.
absl::Status RemoveOwn(const File& dir, std::string_view name);

}  // namespace mpool::os

#endif  // MPOOL_OS_TRUST_H_
