// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// page_promises.h - the record of a kill scene, in memory that its processes
// share: the promised version of each page, and the state of each worker.
//
// Concurrency: every field is atomic. `begun` of a page changes only while its
//              writer holds the page for update.

#ifndef MPOOL_TOOLS_REPLAY_PAGE_PROMISES_H_
#define MPOOL_TOOLS_REPLAY_PAGE_PROMISES_H_

#include <sys/types.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tools/replay/replay_control.h"

namespace mpool::tools {

// Order of the parent to a worker.
enum class Doom : uint32_t {
  kNone,
  kAnywhere,  // the parent kills it
  kInUpdate,  // it kills itself in the middle of its next update
};

struct WorkerState {
  std::atomic<pid_t> pid;           // 0 before and after the work
  std::atomic<Doom> doom;           // set before the kill
  std::atomic<uint32_t> updates;    // pages that it holds for update
  std::atomic<uint64_t> stall_ns;   // longest time for one reference
};

class PagePromises {
 public:
  static absl::StatusOr<PagePromises> Make(uint64_t file_hash,
                                           uint64_t page_count,
                                           uint32_t worker_count);

  WorkerState& worker(uint32_t index) { return workers_[index]; }

  // Returns the version of a held page; nullopt, with the reason, if the page
  // breaks the first invariant.
  std::optional<uint32_t> VersionOf(uint64_t page,
                                    std::span<const std::byte> bytes,
                                    std::string* why);
  // Returns the number of completed puts that `version` lacks.
  uint32_t LostUpdates(uint64_t page, uint32_t version);

  // Records that `worker` starts to make the page `version`.
  // REQUIRES: the caller holds the page for update. Not checkable: the hold is
  // in the pool.
  void Begin(uint64_t page, uint32_t version, uint32_t worker);
  // Records that the put of the page as `version` has returned.
  void Complete(uint64_t page, uint32_t version);

 private:
  struct Promise {
    std::atomic<uint64_t> begun;  // the version, and the worker in the low half
    std::atomic<uint32_t> completed;
  };

  PagePromises(uint64_t file_hash, SharedArray<Promise> pages,
               SharedArray<WorkerState> workers);

  uint64_t file_hash_;
  SharedArray<Promise> pages_;
  SharedArray<WorkerState> workers_;
};

// Raises `maximum` to `value` if it is less.
template <class T>
void RaiseTo(std::atomic<T>& maximum, T value) {
  T seen = maximum.load();
  while (seen < value && !maximum.compare_exchange_weak(seen, value)) {
  }
}

}  // namespace mpool::tools

#endif  // MPOOL_TOOLS_REPLAY_PAGE_PROMISES_H_
