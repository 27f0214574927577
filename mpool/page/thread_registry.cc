// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "mpool/page/thread_registry.h"

#include <atomic>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "os/assert.h"
#include "os/cancel.h"
#include "os/mutex.h"
#include "os/status.h"

namespace mpool::internal {

__attribute__((
    tls_model("initial-exec"))) thread_local constinit LastContext last_context;

namespace {

// The registries of this process by generation of their attachment. Ending
// threads search them. A thread that outlives its attachment finds none here.
struct Live {
  os::Mutex mutex;
  std::map<uint32_t, ThreadRegistry*> by_generation MPOOL_GUARDED_BY(mutex);
};
Live& LiveRegistries() {
  static Live* live = new Live;
  return *live;
}

constinit std::atomic<uint64_t> last_late_id{0};

// The contexts of one thread. The destructor releases their thread slots.
struct Contexts {
  std::map<uint32_t, std::unique_ptr<ThreadContext>> by_generation;

  ~Contexts();
};
thread_local Contexts contexts;

Contexts::~Contexts() {
  const os::CancelOff no_cancel;
  last_context = {.generation = region::Generation::kNone,
                  .context = nullptr,
                  .ended = true};
  os::MutexLock lock(LiveRegistries().mutex);
  for (auto& [generation, context] : by_generation) {
    if (context == nullptr) continue;  // registration failed
    const auto live = LiveRegistries().by_generation.find(generation);
    if (live == LiveRegistries().by_generation.end()) continue;
    live->second->EndThread(generation, context->thread);
  }
}

}  // namespace

ThreadRegistry::ThreadRegistry(region::Members& members,
                               region::Repairer& repairer,
                               const region::HomeFiles& home_files,
                               const region::Generation& region_generation,
                               Ledger& ledger,
                               std::function<absl::Status()> enter_child)
    : members_(members),
      repairer_(repairer),
      home_files_(home_files),
      region_generation_(region_generation),
      ledger_(ledger),
      enter_child_(std::move(enter_child)) {
  MPOOL_ASSERT(enter_child_ != nullptr);
}

ThreadRegistry::~ThreadRegistry() { Unlist(); }

// Not checked: UnlockAfterFork unlocks it.
void ThreadRegistry::LockForFork() MPOOL_NO_THREAD_SAFETY {
  LiveRegistries().mutex.lock();
}

void ThreadRegistry::UnlockAfterFork() MPOOL_NO_THREAD_SAFETY {
  LiveRegistries().mutex.unlock();
}

void ThreadRegistry::List(uint32_t generation) {
  MPOOL_ASSERT(generation != 0 && generation != region::Generation::kNone);
  os::MutexLock lock(LiveRegistries().mutex);
  std::erase_if(LiveRegistries().by_generation,
                [this](const auto& live) { return live.second == this; });
  LiveRegistries().by_generation[generation] = this;
}

void ThreadRegistry::Unlist() {
  os::MutexLock lock(LiveRegistries().mutex);
  std::erase_if(LiveRegistries().by_generation,
                [this](const auto& live) { return live.second == this; });
}

void ThreadRegistry::ForgetLate() { late_.clear(); }

void ThreadRegistry::EndThread(uint32_t generation,
                               const region::Thread& thread) {
  if (region_generation_.value() == generation)
    members_.UnregisterThread(thread);
}

absl::StatusOr<region::Thread> ThreadRegistry::NewThread() {
  absl::StatusOr<region::Thread> thread = members_.RegisterThread();
  if (absl::IsResourceExhausted(thread.status())) {
    // Dead processes may hold the missing resource.
    {
      os::MutexLock lock(members_.process_mutex());
      RepairReport report;
      repairer_.RepairAll(members_.process_thread(), &report);
    }
    thread = members_.RegisterThread();
  }
  MPOOL_RETURN_IF_ERROR(thread.status());
  MPOOL_RETURN_IF_ERROR(ledger_.FreeEntry(*thread).status());
  return thread;
}

absl::StatusOr<ThreadRegistry::Caller> ThreadRegistry::RegisterSelf() {
  if (region_generation_.value() == 0) MPOOL_RETURN_IF_ERROR(enter_child_());
  const uint32_t generation = region_generation_.value();
  if (last_context.callback_of == generation) {
    return absl::FailedPreconditionError(
        absl::StrCat("use ", home_files_.home().path(),
                     ": this thread is in its "
                     "EnvOptions::log_flush; call once that has returned"));
  }
  if (last_context.ended) return BeginLate();
  {
    // Drop the contexts of environments that are closed. clang does not see in
    // the lambda that the mutex is held.
    os::MutexLock lock(LiveRegistries().mutex);
    std::erase_if(contexts.by_generation, [](const auto& entry)
                                              MPOOL_NO_THREAD_SAFETY {
      return !LiveRegistries().by_generation.contains(entry.first);
    });
  }
  std::unique_ptr<ThreadContext>& context = contexts.by_generation[generation];
  if (context == nullptr) {
    MPOOL_ASSIGN_OR_RETURN(const region::Thread thread, NewThread());
    context = std::make_unique<ThreadContext>();
    context->thread = thread;
    context->generation = generation;
  }
  last_context.generation = generation;
  last_context.context = context.get();
  return Caller(context.get());
}

absl::StatusOr<ThreadRegistry::Caller> ThreadRegistry::BeginLate() {
  if (last_context.late_id == 0) {
    // no step: of this process alone.
    last_context.late_id = last_late_id.fetch_add(1) + 1;
  }
  const uint64_t me = last_context.late_id;
  {
    os::MutexLock lock(members_.process_mutex());
    const auto found = late_.find(me);
    if (found != late_.end()) {
      LateThread& late = *found->second;
      if (late.in_call) return Caller(&late.context);
      if (members_.ResumeThread(late.context.thread, late.word)) {
        late.in_call = true;
        return Caller(&late.context, this);
      }
      late_.erase(found);
    }
  }
  MPOOL_ASSIGN_OR_RETURN(const region::Thread thread, NewThread());
  auto late = std::make_unique<LateThread>();
  late->context.thread = thread;
  late->context.generation = region_generation_.value();
  ThreadContext* const context = &late->context;
  os::MutexLock lock(members_.process_mutex());
  late_[me] = std::move(late);
  return Caller(context, this);
}

void ThreadRegistry::EndLate(ThreadContext& context) {
  const std::optional<uint64_t> leaving =
      members_.UnregisterThread(context.thread);
  os::MutexLock lock(members_.process_mutex());
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
