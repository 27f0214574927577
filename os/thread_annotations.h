// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// thread_annotations.h - names for clang's attributes of thread safety. clang
// checks them with -Wthread-safety. They are empty for other compilers.
//
// MPOOL_CAPABILITY(kind)        the class is a lock of this kind
// MPOOL_SCOPED_CAPABILITY       the class holds a lock for a scope
// MPOOL_GUARDED_BY(lock)        the member is used only under the lock
// MPOOL_REQUIRES(lock)          the caller holds the lock
// MPOOL_EXCLUDES(lock)          the caller does not hold the lock
// MPOOL_ACQUIRE(lock)           the function acquires the lock
// MPOOL_RELEASE(lock)           the function releases the lock
// MPOOL_TRY_ACQUIRE(b, lock)    the function acquires the lock if it returns b
// MPOOL_ASSERT_CAPABILITY(lock) the function aborts if the lock is not held
// MPOOL_NO_THREAD_SAFETY        the function is not checked; say why

#ifndef MPOOL_OS_THREAD_ANNOTATIONS_H_
#define MPOOL_OS_THREAD_ANNOTATIONS_H_

#if defined(__clang__)
#define MPOOL_THREAD_ATTRIBUTE(x) __attribute__((x))
#else
#define MPOOL_THREAD_ATTRIBUTE(x)
#endif

#define MPOOL_CAPABILITY(kind) MPOOL_THREAD_ATTRIBUTE(capability(kind))
#define MPOOL_SCOPED_CAPABILITY MPOOL_THREAD_ATTRIBUTE(scoped_lockable)
#define MPOOL_GUARDED_BY(lock) MPOOL_THREAD_ATTRIBUTE(guarded_by(lock))
#define MPOOL_REQUIRES(...) \
  MPOOL_THREAD_ATTRIBUTE(requires_capability(__VA_ARGS__))
#define MPOOL_EXCLUDES(...) MPOOL_THREAD_ATTRIBUTE(locks_excluded(__VA_ARGS__))
#define MPOOL_ACQUIRE(...) \
  MPOOL_THREAD_ATTRIBUTE(acquire_capability(__VA_ARGS__))
#define MPOOL_RELEASE(...) \
  MPOOL_THREAD_ATTRIBUTE(release_capability(__VA_ARGS__))
#define MPOOL_TRY_ACQUIRE(...) \
  MPOOL_THREAD_ATTRIBUTE(try_acquire_capability(__VA_ARGS__))
#define MPOOL_ASSERT_CAPABILITY(lock) \
  MPOOL_THREAD_ATTRIBUTE(assert_capability(lock))
#define MPOOL_NO_THREAD_SAFETY \
  MPOOL_THREAD_ATTRIBUTE(no_thread_safety_analysis)

#endif  // MPOOL_OS_THREAD_ANNOTATIONS_H_
