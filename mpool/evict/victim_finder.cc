// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "mpool/evict/victim_finder.h"

#include <set>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "os/assert.h"

namespace mpool::internal {
namespace {

// Pages written along with a dirty victim.
constexpr size_t kBatchPages = 64;

}  // namespace

absl::StatusOr<BufferHeader*> VictimFinder::Take(ThreadContext& self,
                                                 PageClass page_class) {
  Replacement::Search search{.page_class = page_class};
  absl::Status failure;
  std::set<PageKey> unwritable;  // files
  while (BufferHeader* header = policy_->NextVictim(self, search)) {
    if (frames_.TryTake(self.thread, *header, page_class)) return header;
    Evictor::Result evicted = evictor_.TryEvict(self, *header);
    const PageKey file = header->LoadKey().file_key();
    if (evicted == Evictor::Result::kDirty && !unwritable.contains(file)) {
      failure.Update(WriteVictims(self, *header));
      self.Count(Counter::dirty_evictions);
      evicted = evictor_.TryEvict(self, *header);
      if (evicted == Evictor::Result::kDirty && !failure.ok()) {
        if (forgetter_.ForgetIfGone(self, file.file_index())) {
          failure = absl::OkStatus();
          if (BufferHeader* free = frames_.TakeFree(self.thread, page_class)) {
            return free;
          }
          continue;
        }
        unwritable.insert(file);
      }
    }
    if (evicted == Evictor::Result::kFreed &&
        frames_.TryTake(self.thread, *header, page_class)) {
      AssertOwned(*header, self.thread.id);
      self.Count(Counter::evictions);
      frames_.page_class(page_class)
          .turned.fetch_add(1, std::memory_order_relaxed);
      return header;
    }
  }
  if (failure.ok()) return nullptr;
  // The error is about other pages, so its code is not returned to the caller.
  return absl::ResourceExhaustedError(
      absl::StrCat("find a frame for a page of ", page_class.bytes(),
                   " bytes: the frames that are not held are dirty and could "
                   "not be written (",
                   failure.message(), ")"));
}

absl::Status VictimFinder::WriteVictims(ThreadContext& self,
                                        BufferHeader& victim) {
  std::vector<BufferHeader*> batch{&victim};
  policy_->LookAhead(self, victim, kBatchPages, &batch);
  MPOOL_ASSERT(!batch.empty() && batch.front() == &victim);
  MPOOL_ASSERT(batch.size() <= kBatchPages + 1);
  return write_back_.Write(self, std::move(batch), nullptr);
}

}  // namespace mpool::internal
