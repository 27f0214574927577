// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// holders.h - describes holders of pages, latches and slots for users.
// Acquires no latch: each line was true at some instant of the call.

#ifndef MPOOL_MPOOL_OBSERVE_HOLDERS_H_
#define MPOOL_MPOOL_OBSERVE_HOLDERS_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "mpool/files/file_handles.h"
#include "mpool/files/file_entries.h"
#include "mpool/files/page_io.h"
#include "mpool/memory/frame_table.h"
#include "mpool/stats.h"
#include "region/members.h"
#include "region/memory.h"
#include "region/thread_slots.h"

namespace mpool::internal {

// True if the process of the slot is alive.
using HolderProbe = std::function<bool(uint32_t process_slot)>;
// Returns the pins, latches and frames that threads hold. Takes no latch.
std::vector<Holding> HoldingsOf(const region::Memory& memory,
                                const region::ThreadSlots& threads,
                                const FrameTable& frames,
                                const FileEntries& files,
                                const HolderProbe& is_alive);

// Returns the holders of pages and the number of pages that each of them holds,
// for an error message.
std::string DescribeHolders(const region::Members& members);

// Returns the guards that threads of this process hold, each as "page N of
// FILE"; for one file, or for all.
std::vector<std::string> GuardsOf(const region::Members& members,
                                  const FrameTable& frames,
                                  const FileEntries& files,
                                  std::optional<uint32_t> file);

}  // namespace mpool::internal

#endif  // MPOOL_MPOOL_OBSERVE_HOLDERS_H_
