// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// forks.h - fork handlers of the pool: no fork copies a process's mutexes or
// tables in the middle of a change.
//
// Lock order: the list of pools, the list of thread registries, then for each
// pool the region's process mutex and the mutex of its files, then the mutex of
// the open inodes.

#ifndef MPOOL_MPOOL_POOL_FORKS_H_
#define MPOOL_MPOOL_POOL_FORKS_H_

namespace mpool::internal {

class Pool;

// Registers the fork handlers. Call once.
void WatchForks();
// Adds the pool to those that the handlers lock, or removes it.
void WatchForksOf(Pool& pool);
void ForgetForksOf(Pool& pool);

}  // namespace mpool::internal

#endif  // MPOOL_MPOOL_POOL_FORKS_H_
