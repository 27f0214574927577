// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// stamp.h - how much the times of a file prove.
//
// A file system that stamps changes with the time of the last clock tick, or
// with whole seconds, gives two changes of one tick the same time. So times
// that were younger than this grain when they were read do not show a change
// that follows at once. From Linux 6.13 on, ext4, XFS, btrfs and tmpfs give a
// change a time of its own if the times were read since the last change.

#ifndef MPOOL_OS_STAMP_H_
#define MPOOL_OS_STAMP_H_

#include "os/file.h"

namespace mpool::os {

// True if the kernel gives each change of `file` a time of its own.
bool HasFineStamps(const File& file);

// True if every change that was made after `info` was read changes a time in
// it. `fine` is HasFineStamps of the file. Call it soon after Info().
bool IsSettled(const FileInfo& info, bool fine);

}  // namespace mpool::os

#endif  // MPOOL_OS_STAMP_H_
