// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// thread_registry.h - the contexts of this process's threads.
//
// Role:        finds the calling thread's context, and registers a thread at
//              its first call. A thread that ends frees its slot. A thread
//              whose thread-local objects are destroyed (it calls from the
//              destructor of a global or of another thread_local, or from an
//              atexit handler) is late: it gets a slot for each call, because
//              no event marks its end.
// Concurrency: all calls are thread-safe. late_ is guarded by the region's
//              process_mutex(). An entry that is in a call belongs to its
//              thread.
// Invariants:  L1 between calls the slot of a late thread is FREE, or LEAVING
//              while the thread holds guards. A thread that ends leaves nothing
//              else.
//              L2 the next call of a late thread resumes its LEAVING slot, so
//              that the thread still knows which pages it holds.

#ifndef MPOOL_MPOOL_PAGE_THREAD_REGISTRY_H_
#define MPOOL_MPOOL_PAGE_THREAD_REGISTRY_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "mpool/page/ledger.h"
#include "mpool/page/thread_context.h"
#include "region/generation.h"
#include "region/home_files.h"
#include "region/members.h"
#include "region/repair.h"

namespace mpool::internal {

class ThreadRegistry {
 public:
  // The calling thread's context for the duration of a call.
  class Caller {
   public:
    // `late`: the registry if the thread slot serves this call only, else
    // nullptr.
    explicit Caller(ThreadContext* context, ThreadRegistry* late = nullptr)
        : context_(context), late_(late) {}
    Caller(Caller&& other) noexcept
        : context_(other.context_),
          late_(std::exchange(other.late_, nullptr)) {}
    Caller& operator=(Caller&&) = delete;
    ~Caller() {
      if (late_ != nullptr) [[unlikely]]
        late_->EndLate(*context_);
    }
    ThreadContext& operator*() const { return *context_; }
    ThreadContext* operator->() const { return context_; }

   private:
    ThreadContext* context_;
    ThreadRegistry* late_;
  };

  // `enter_child` attaches a forked child; the registry calls it at the child's
  // first call.
  ThreadRegistry(region::Members& members, region::Repairer& repairer,
                 const region::HomeFiles& home_files,
                 const region::Generation& region_generation, Ledger& ledger,
                 std::function<absl::Status()> enter_child);
  ~ThreadRegistry();
  ThreadRegistry(const ThreadRegistry&) = delete;
  ThreadRegistry& operator=(const ThreadRegistry&) = delete;

  // Lets ending threads find the registry of this attachment.
  void List(uint32_t generation);
  // After this call, threads that end do not use the registry.
  void Unlist();
  // Forgets the late threads of the parent.
  // REQUIRES: the process is a forked child that enters; process_mutex()
  // (not checkable: the child has no state of its own yet, and a mutex names no
  // owner).
  void ForgetLate();
  // Frees the slot of a thread that ends, if its attachment still exists.
  void EndThread(uint32_t generation, const region::Thread& thread);

  // No fork copies the list of registries in the middle of a change.
  static void LockForFork();
  static void UnlockAfterFork();

  // Returns the calling thread's context. Registers the thread at its first
  // call. Returns FailedPrecondition in a callback of this environment,
  // ResourceExhausted if all thread slots are taken.
  absl::StatusOr<Caller> Self() {
    if (IsCached()) return Caller(last_context.context);
    return RegisterSelf();
  }
  // True if last_context is the calling thread's context in this attachment.
  bool IsCached() const { return last_context.generation == generation(); }
  // Returns the region's generation(), with one load less.
  uint32_t generation() const {
    return std::atomic_ref<uint32_t>(*generation_)
        .load(std::memory_order_relaxed);
  }

 private:
  struct LateThread {
    ThreadContext context;
    bool in_call = true;
    uint64_t word = 0;  // the slot's word between calls
  };

  absl::StatusOr<Caller> RegisterSelf();
  absl::StatusOr<region::Thread> NewThread();
  absl::StatusOr<Caller> BeginLate();
  void EndLate(ThreadContext& context);

  region::Members& members_;
  region::Repairer& repairer_;
  const region::HomeFiles& home_files_;
  const region::Generation& region_generation_;
  Ledger& ledger_;
  const std::function<absl::Status()> enter_child_;
  uint32_t* const generation_ = region_generation_.word();
  // Keyed by LastContext::late_id.
  std::map<uint64_t, std::unique_ptr<LateThread>> late_;
};

}  // namespace mpool::internal

#endif  // MPOOL_MPOOL_PAGE_THREAD_REGISTRY_H_
