// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// filesystem.h - properties of a region's file system: where it writes a
// changed block, and if it was mounted again.

#ifndef MPOOL_OS_FILESYSTEM_H_
#define MPOOL_OS_FILESYSTEM_H_

#include <cstdint>

#include "absl/status/status.h"
#include "os/file.h"

namespace mpool::os {

// Returns FailedPrecondition, with reason and remedy, if a change of `file` may
// need a new block. On a full disk a mapping of a file with reserved blocks is
// writable only if the file system writes each block in place. A file system
// that shares blocks between files (reflink), or copies on write, needs a new
// block. The kernel sends SIGBUS if there is none.
absl::Status CheckWritesInPlace(const File& file);

// Makes the identity of `dir` final on an overlay. The first change in a
// directory of a lower layer gives the directory another identity (copy-up).
// This function makes such a change, which leaves nothing behind, if the
// process has the rights.
void SettleIdentity(const File& dir);

// Returns a number derived from the UUID of the file system, and on btrfs from
// the subvolume; 0 if the kernel reports none. A copy of the file system has
// the same number.
uint64_t FileSystemId(const File& file);

// True if the file system of `dir` has the number `id` and was mounted as
// `device` before. False if it may be a copy of a file system that is still
// mounted as `device`, in any mount namespace.
// REQUIRES: `dir` has another device number now.
bool WasMountedAs(const File& dir, uint64_t device, uint64_t id);

}  // namespace mpool::os

#endif  // MPOOL_OS_FILESYSTEM_H_
