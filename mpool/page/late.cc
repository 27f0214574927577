// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// late.cc - calls of a thread after its thread-local objects were destroyed:
// from the destructor of a global, an atexit handler, the destructor of another
// thread_local, or a library that is unloaded while the process exits.
//
// Role:        gives such a thread a slot for each call, because no event marks
//              the end of the thread.
// Invariants:  L1 between calls the slot is FREE, or LEAVING while the thread
//              holds guards. A thread that ends leaves nothing else.
//              L2 the next call of the thread resumes its LEAVING slot, so that
//              the thread still knows which pages it holds.
// Concurrency: late_ is guarded by the region's process_mutex(). An entry that
//              is in a call belongs to its thread.

#include <atomic>

#include "mpool/pool/pool.h"
#include "os/status.h"

namespace mpool::internal {
namespace {

constinit std::atomic<uint64_t> last_late_id{0};

}  // namespace

absl::StatusOr<Pool::Caller> Pool::BeginLate() {
  if (last_context.late_id == 0) {
    // no step: of this process alone.
    last_context.late_id = last_late_id.fetch_add(1) + 1;
  }
  const uint64_t me = last_context.late_id;
  {
    std::lock_guard<std::mutex> lock(region_.process_mutex());
    const auto found = late_.find(me);
    if (found != late_.end()) {
      LateThread& late = *found->second;
      if (late.in_call) return Caller(&late.context);
      if (region_.ResumeThread(late.context.thread, late.word)) {
        late.in_call = true;
        return Caller(&late.context, this);
      }
      late_.erase(found);
    }
  }
  MPOOL_ASSIGN_OR_RETURN(const region::Thread thread, NewThread());
  auto late = std::make_unique<LateThread>();
  late->context.thread = thread;
  late->context.generation = region_.generation();
  ThreadContext* const context = &late->context;
  std::lock_guard<std::mutex> lock(region_.process_mutex());
  late_[me] = std::move(late);
  return Caller(context, this);
}

void Pool::EndLate(ThreadContext& context) {
  const std::optional<uint64_t> leaving =
      region_.UnregisterThread(context.thread);
  std::lock_guard<std::mutex> lock(region_.process_mutex());
  const auto mine = late_.find(last_context.late_id);
  mine->second->in_call = false;
  mine->second->word = leaving.value_or(0);
  context.staging.reset();
  // Also erases the entries of ended threads if their slots were freed since.
  std::erase_if(late_, [](const auto& entry) {
    const LateThread& late = *entry.second;
    return !late.in_call &&
           (late.word == 0 ||
            late.context.thread.slot->word.load() != late.word);
  });
}

}  // namespace mpool::internal
