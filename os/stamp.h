// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// stamp.h - if the times of a file prove that it did not change.
//
// A file system may stamp changes with the time of the last clock tick, or with
// whole seconds. Then two changes within this grain get the same time. So times
// that were younger than the grain when they were read do not show a change
// that follows at once. From Linux 6.13 on, ext4, XFS, btrfs and tmpfs give a
// change its own time if the times were read after the previous change.

#ifndef MPOOL_OS_STAMP_H_
#define MPOOL_OS_STAMP_H_

#include "os/file.h"

namespace mpool::os {

// True if the kernel gives each change of `file` its own time.
bool HasFineStamps(const File& file);

// True if every change made after `info` was read changes a time in `info`.
// `fine` is HasFineStamps of the file. Call it soon after Info().
bool IsSettled(const FileInfo& info, bool fine);

}  // namespace mpool::os

#endif  // MPOOL_OS_STAMP_H_
