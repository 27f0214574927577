// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "mpool/pool/forks.h"

#include <vector>

#include "mpool/files/open_inodes.h"
#include "mpool/page/thread_registry.h"
#include "mpool/pool/pool.h"
#include "os/fork.h"
#include "os/mutex.h"

namespace mpool::internal {
namespace {

struct Pools {
  os::Mutex mutex;
  std::vector<Pool*> all MPOOL_GUARDED_BY(mutex);
};
Pools& LivePools() {
  static Pools* live = new Pools;
  return *live;
}

// Not checked, as AfterFork: AfterFork unlocks the mutexes, and their number is
// known only at run time.
void BeforeFork() MPOOL_NO_THREAD_SAFETY {
  LivePools().mutex.lock();
  ThreadRegistry::LockForFork();
  for (Pool* pool : LivePools().all) {
    pool->region().members().process_mutex().lock();
    pool->handles().mutex().lock();
  }
  OpenInodes::mutex().lock();
}

void AfterFork() MPOOL_NO_THREAD_SAFETY {
  OpenInodes::mutex().unlock();
  for (Pool* pool : LivePools().all) {
    // A forked child has no generation.
    if (pool->region().generation().value() == 0)
      pool->handles().LeaveClaimsToParent();
    pool->handles().mutex().unlock();
    pool->region().members().process_mutex().unlock();
  }
  ThreadRegistry::UnlockAfterFork();
  LivePools().mutex.unlock();
}

}  // namespace

void WatchForks() { os::AtFork(BeforeFork, AfterFork); }

void WatchForksOf(Pool& pool) {
  os::MutexLock lock(LivePools().mutex);
  std::erase(LivePools().all, &pool);
  LivePools().all.push_back(&pool);
}

void ForgetForksOf(Pool& pool) {
  os::MutexLock lock(LivePools().mutex);
  std::erase(LivePools().all, &pool);
}

}  // namespace mpool::internal
