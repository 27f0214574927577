// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "mpool/pool/forks.h"

#include <mutex>
#include <vector>

#include "mpool/files/open_inodes.h"
#include "mpool/page/thread_registry.h"
#include "mpool/pool/pool.h"
#include "os/fork.h"

namespace mpool::internal {
namespace {

struct Pools {
  std::mutex mutex;
  std::vector<Pool*> all;
};
Pools& LivePools() {
  static Pools* live = new Pools;
  return *live;
}

void BeforeFork() {
  LivePools().mutex.lock();
  ThreadRegistry::LockForFork();
  for (Pool* pool : LivePools().all) {
    pool->region().members().process_mutex().lock();
    pool->files().handles().mutex().lock();
  }
  OpenInodes::mutex().lock();
}

void AfterFork() {
  OpenInodes::mutex().unlock();
  for (Pool* pool : LivePools().all) {
    // A forked child has no generation.
    if (pool->region().generation().value() == 0)
      pool->files().handles().LeaveClaimsToParent();
    pool->files().handles().mutex().unlock();
    pool->region().members().process_mutex().unlock();
  }
  ThreadRegistry::UnlockAfterFork();
  LivePools().mutex.unlock();
}

}  // namespace

void WatchForks() { os::AtFork(BeforeFork, AfterFork); }

void WatchForksOf(Pool& pool) {
  std::lock_guard<std::mutex> lock(LivePools().mutex);
  std::erase(LivePools().all, &pool);
  LivePools().all.push_back(&pool);
}

void ForgetForksOf(Pool& pool) {
  std::lock_guard<std::mutex> lock(LivePools().mutex);
  std::erase(LivePools().all, &pool);
}

}  // namespace mpool::internal
