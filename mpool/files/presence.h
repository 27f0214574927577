// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// presence.h - tells if the file of an entry still exists.

#ifndef MPOOL_MPOOL_FILES_PRESENCE_H_
#define MPOOL_MPOOL_FILES_PRESENCE_H_

#include "mpool/files/file_entries.h"
#include "mpool/files/file_entry.h"
#include "os/file_handle.h"

namespace mpool::internal {

// Returns kGone only if the file provably has no name left. The result is about
// the file that had the entry during the call; compare the generation.
os::Presence PresenceOf(const FileEntries& files, const FileEntry& entry);

}  // namespace mpool::internal

#endif  // MPOOL_MPOOL_FILES_PRESENCE_H_
