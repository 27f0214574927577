// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// directory_sync.h - makes the name of a file durable.

#ifndef MPOOL_OS_DIRECTORY_SYNC_H_
#define MPOOL_OS_DIRECTORY_SYNC_H_

#include <string_view>

#include "absl/status/status.h"
#include "os/file.h"

namespace mpool::os {

// Makes the name of an open file durable: calls fsync once for the directory of
// the name that the file has now, or of `path` if that is not known. If the
// directory cannot be opened (rights, descriptors) or has no fsync, makes the
// whole file system durable. Returns Ok for a removed file.
absl::Status SyncDirectoryOf(const File& file, std::string_view path);

}  // namespace mpool::os

#endif  // MPOOL_OS_DIRECTORY_SYNC_H_
