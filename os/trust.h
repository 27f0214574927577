// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// trust.h - the rules by which a file is accepted as a file of an environment.
//
// A process trusts root, its own user, the owner of the environment's
// directory, and the users that the owner lets write there. A file that any
// other user could have made under a name of the environment is neither read,
// mapped, changed nor removed:
//
// T1 A directory that every user may write to has the sticky bit. Otherwise any
//    user could replace the files of the other users.
// T2 A file of the environment is a regular file without other hard links.
// T3 It belongs to the process's user, to root or to the directory's owner. It
//    may belong to the directory's group, if the group may write there and
//    other users may not. Give a directory that a group shares the set-group-ID
//    bit (2770), so that new files belong to the group. The overflow id, which
//    represents all unmapped users of a user namespace, is not trusted.
//    Exception: a process that runs under the overflow id trusts it if the id
//    is mapped too.
// T4 Other users may not write to it.
//
// Files to be used are checked on open descriptors; a removal checks the name.
// An open neither follows a symbolic link nor waits for a FIFO, a device or a
// lease.

#ifndef MPOOL_OS_TRUST_H_
#define MPOOL_OS_TRUST_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "os/file.h"

namespace mpool::os {

// Returns FailedPrecondition if the directory violates T1.
absl::Status CheckDirectory(const File& dir);

// True if a file of `user` and `group` satisfies T3 for an environment in
// `dir`.
bool IsTrusted(const FileInfo& dir, uint32_t user, uint32_t group);
// Returns the error for a file that violates T3.
absl::Status NotTrusted(const FileInfo& dir, std::string_view path,
                        uint32_t user, uint32_t group);

// Checks T2 and T3. `dir` is the environment's directory, also if the file is
// elsewhere; `path` is for errors.
absl::Status CheckOwn(const FileInfo& dir, const FileInfo& file,
                      std::string_view path);

// Returns `denied` with the owner of the file `name` below `dir` (or of an
// absolute `name`), the missing right and the remedy. Returns `denied` as it is
// if it is not EACCES or the file cannot be examined.
absl::Status ExplainDenied(const File& dir, std::string_view name,
                           const absl::Status& denied);

// Opens an existing file of the environment. Checks T2 to T4.
absl::StatusOr<File> OpenOwn(const File& dir, std::string_view name,
                             File::Mode mode);
// Returns the options to create a file of the environment. If `permissions`
// give a group rights, the file gets the group that shares the directory.
File::OpenOptions NewOwn(const FileInfo& dir, int permissions);
// Removes a file of the environment. Returns Ok if it does not exist, and an
// error if it violates T2 or T3.
absl::Status RemoveOwn(const File& dir, std::string_view name);

}  // namespace mpool::os

#endif  // MPOOL_OS_TRUST_H_
