// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "mpool/observe/stats.h"

#include "mpool/page/thread_context.h"
#include "os/assert.h"

namespace mpool::internal {

EnvStats StatsOf(const region::Memory& memory,
                 const region::ThreadSlots& threads, const FrameTable& frames,
                 const FileEntries& files, const region::HeapStats& heap) {
  MPOOL_ASSERT(frames.IsAttached());
  MPOOL_ASSERT(memory.header() != nullptr);
  EnvStats stats;
  auto add = [&](const region::ThreadSlot& slot) {
#define MPOOL_COUNTER(name, unit, help)                                   \
  stats.name += slot.counters[static_cast<uint32_t>(Counter::name)].load( \
      std::memory_order_relaxed);
#define MPOOL_GAUGE(name, unit, help)
#include "mpool/stats.def"
#undef MPOOL_COUNTER
#undef MPOOL_GAUGE
  };
  threads.ForEachSlot(add);
  threads.ForEachThread(
      [&](uint32_t id, region::ThreadSlot&, region::ThreadWord) {
        ++(id <= kMaxProcesses ? stats.processes : stats.threads);
      });
  const region::RegionHeader& header = *memory.header();
  stats.repairs = header.repairs.load(std::memory_order_relaxed);
  stats.panicked = header.panic.load() != 0 ? 1 : 0;
  stats.adoptions = header.adoptions.load(std::memory_order_relaxed);
  stats.origin = static_cast<Origin>(header.origin.load());
  stats.heap_used = heap.used_bytes;
  stats.heap_free = heap.free_bytes;
  stats.heap_largest_free = heap.largest_free_bytes;
  stats.heap_fragments = heap.free_chunks;
  stats.cache_bytes = frames.extents().cache_bytes();
  stats.max_cache_bytes = memory.fixed().max_cache_bytes;
  stats.backed_bytes = frames.extents().backed_bytes();
  stats.region_bytes =
      header.size_bytes.load(std::memory_order_relaxed) + stats.backed_bytes;
  frames.ForEachHeader([&](const BufferHeader& frame) {
    const State s = frame.Load();
    ++stats.frames;
    if (s.phase() == Phase::kFree) {
      ++stats.frames_free;
    } else if (s.phase() == Phase::kPoisoned) {
      ++stats.frames_poisoned;
    } else if (s.has(State::kDirty | State::kWriting)) {
      ++stats.frames_dirty;
    } else {
      ++stats.frames_clean;
    }
  });
  MPOOL_ASSERT(stats.frames == stats.frames_free + stats.frames_poisoned +
                                   stats.frames_dirty + stats.frames_clean);
  files.ForEach([&](uint32_t, FileEntry&, FileWord) { ++stats.files; });
  MPOOL_ASSERT(stats.files <= kMaxFiles);
  stats.backing = static_cast<Backing>(memory.fixed().backing);
  stats.policy = static_cast<Policy>(memory.fixed().policy);
  return stats;
}

}  // namespace mpool::internal
