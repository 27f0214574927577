// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// files.h - what the pool knows of each page file, and the pages that were
// lost.
//
// Concurrency: takes no latch. The region may be mapped for reading only, so
//              the numbers of a busy environment are of different moments.

#ifndef MPOOL_MPOOL_OBSERVE_FILES_H_
#define MPOOL_MPOOL_OBSERVE_FILES_H_

#include <vector>

#include "mpool/files/file_entries.h"
#include "mpool/memory/frame_table.h"
#include "mpool/stats.h"
#include "region/thread_slots.h"

namespace mpool::internal {

// Returns the files that the environment knows, in the order of their entries.
std::vector<FileUse> FilesOf(const region::ThreadSlots& threads,
                             const FrameTable& frames,
                             const FileEntries& files);

// Returns the pages that were lost with their writers.
std::vector<LostPage> LostPagesOf(const FrameTable& frames,
                                  const FileEntries& files);

}  // namespace mpool::internal

#endif  // MPOOL_MPOOL_OBSERVE_FILES_H_
