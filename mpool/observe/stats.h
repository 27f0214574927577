// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// stats.h - sums the counters over the thread slots and reads the gauges.
// StatsOf acquires no latch.

#ifndef MPOOL_MPOOL_OBSERVE_STATS_H_
#define MPOOL_MPOOL_OBSERVE_STATS_H_

#include "mpool/files/file_handles.h"
#include "mpool/files/file_entries.h"
#include "mpool/files/page_io.h"
#include "mpool/memory/frame_table.h"
#include "mpool/stats.h"
#include "region/thread_slots.h"
#include "region/memory.h"

namespace mpool::internal {

// Returns the statistics of a region; `heap` are those of its allocator. The
// region may be mapped for reading only.
EnvStats StatsOf(const region::Memory& memory,
                 const region::ThreadSlots& threads, const FrameTable& frames,
                 const FileEntries& files, const region::HeapStats& heap);

}  // namespace mpool::internal

#endif  // MPOOL_MPOOL_OBSERVE_STATS_H_
