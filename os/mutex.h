// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// mutex.h - std::mutex with the annotations of thread_annotations.h, which the
// standard library lacks.

#ifndef MPOOL_OS_MUTEX_H_
#define MPOOL_OS_MUTEX_H_

#include <mutex>

#include "os/thread_annotations.h"

namespace mpool::os {

// Mutual exclusion of the threads of one process. Not recursive.
class MPOOL_CAPABILITY("mutex") Mutex {
 public:
  void lock() MPOOL_ACQUIRE() { mutex_.lock(); }
  void unlock() MPOOL_RELEASE() { mutex_.unlock(); }
  bool try_lock() MPOOL_TRY_ACQUIRE(true) { return mutex_.try_lock(); }

 private:
  std::mutex mutex_;
};

// Holds a mutex for a scope.
class MPOOL_SCOPED_CAPABILITY MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) MPOOL_ACQUIRE(mutex) : mutex_(mutex) {
    mutex_.lock();
  }
  ~MutexLock() MPOOL_RELEASE() { mutex_.unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

  bool Holds(const Mutex& mutex) const { return &mutex_ == &mutex; }

 private:
  Mutex& mutex_;
};

}  // namespace mpool::os

#endif  // MPOOL_OS_MUTEX_H_
