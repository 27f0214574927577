// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// filesystem.h - what the file system below a region does: where it writes a
// changed block, and whether it was mounted again.

#ifndef MPOOL_OS_FILESYSTEM_H_
#define MPOOL_OS_FILESYSTEM_H_

#include <cstdint>

#include "absl/status/status.h"
#include "os/file.h"

namespace mpool::os {

// FailedPrecondition, with the reason and a remedy, if a change of `file` may
// need a new block. A file whose blocks are reserved can be changed through a
// mapping on a full disk only if its file system writes each block in place.
// One that can share blocks between files (reflink), or copies on write, needs
// a new block, and the kernel answers with SIGBUS if there is none.
absl::Status CheckWritesInPlace(const File& file);

// On an overlay the first change in a directory of a lower layer gives it
// another identity (copy-up). Makes such a change, which leaves nothing behind,
// if the process may.
void SettleIdentity(const File& dir);

// A number that follows from the UUID of the file system, and on btrfs from the
// subvolume; 0 if the kernel tells none. A copy of the file system has the same
// number.
uint64_t FileSystemId(const File& file);

// True if the file system of `dir` has the number `id` and was mounted as
// `device` before. False if it may be a copy of one that is still mounted so,
// in whatever mount namespace.
// REQUIRES: `dir` has another device number now.
bool WasMountedAs(const File& dir, uint64_t device, uint64_t id);

}  // namespace mpool::os

#endif  // MPOOL_OS_FILESYSTEM_H_
