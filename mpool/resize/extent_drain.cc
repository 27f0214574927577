// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "mpool/resize/extent_drain.h"

#include <utility>
#include <vector>

#include "os/assert.h"
#include "os/step.h"

namespace mpool::internal {

absl::Status ExtentDrain::Write(ThreadContext& self, uint32_t extent,
                                const CutWord& now, uint64_t keep) {
  MPOOL_ASSERT(now.is_cut() && keep <= now.frames);
  BufferHeader* first = frames_.extents().HeadersOf(extent, now.page_class);
  std::vector<BufferHeader*> dirty;
  for (uint64_t i = keep; i < now.frames; ++i) {
    if (first[i].Load().has(State::kDirty)) dirty.push_back(&first[i]);
  }
  if (dirty.empty()) return absl::OkStatus();
  return write_back_.Write(self, std::move(dirty), nullptr);
}

bool ExtentDrain::Drain(ThreadContext& self, uint32_t extent,
                        const CutWord& now, uint64_t keep,
                        absl::Status* failure) {
  MPOOL_ASSERT(failure != nullptr && self.thread.id != 0);
  MPOOL_ASSERT(now.is_cut());
  if (now.frames <= keep) return false;
  // This process may have no file open, so its hash table may be out of date.
  index_.Attach();
  failure->Update(Write(self, extent, now, keep));
  BufferHeader* first = frames_.extents().HeadersOf(extent, now.page_class);
  bool all = true;
  for (uint64_t i = keep; i < now.frames; ++i) {
    if (IsTakenBy(self, first[i]) ||
        frames_.TryTake(self.thread, first[i], now.page_class)) {
      continue;
    }
    const bool freed =
        evictor_.TryEvict(self, first[i]) == Evictor::Result::kFreed;
    if (freed) self.Count(Counter::evictions);
    all = (freed && frames_.TryTake(self.thread, first[i], now.page_class)) &&
          all;
  }
  MPOOL_ASSERT(!all || IsTakenBy(self, first[keep]));
  MPOOL_STEP("mpool.resize.drained");
  return all;
}

void ExtentDrain::Cancel(const ThreadContext& self, uint32_t extent) {
  MPOOL_ASSERT(self.thread.id != 0);
  const CutWord now = frames_.extents().cut(extent);
  if (!now.is_cut()) return;
  BufferHeader* first = frames_.extents().HeadersOf(extent, now.page_class);
  for (uint64_t i = 0; i < now.frames; ++i) {
    if (IsTakenBy(self, first[i])) frames_.GiveBack(self.thread, first[i]);
  }
  if (now.drainer == self.thread.id)
    frames_.extents().EndDrain(self.thread, extent);
}

// Frames that the draining thread owns as LOADING are drained ones, because it
// loads no page at that time.
bool ExtentDrain::IsTakenBy(const ThreadContext& self,
                            const BufferHeader& header) {
  const State seen = header.Load();
  return seen.phase() == Phase::kLoading && seen.owner() == self.thread.id;
}

}  // namespace mpool::internal
