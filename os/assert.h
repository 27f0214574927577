// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// assert.h - checks of the code's own invariants, in debug builds.
//
// MPOOL_ASSERT(condition) ends the process if the condition is false. It stands
// for errors of mpool's code, never for bad input or for damaged memory: those
// are a Status. With NDEBUG the condition compiles and is not evaluated, so it
// must have no effect. A process that an assertion ends is a dead process, and
// the other processes repair what it held.

#ifndef MPOOL_OS_ASSERT_H_
#define MPOOL_OS_ASSERT_H_

#include <cstdint>

namespace mpool::os {

// Prints the place and the condition to standard error, then aborts.
[[noreturn, gnu::cold]] void AssertFailed(const char* file, int line,
                                          const char* condition);
// The same for an illegal change of the state word `name`.
[[noreturn, gnu::cold]] void TransitionFailed(const char* name, uint64_t from,
                                              uint64_t to);

}  // namespace mpool::os

#ifdef NDEBUG
#define MPOOL_ASSERT(condition) static_cast<void>(sizeof((condition) ? 1 : 0))
#else
#define MPOOL_ASSERT(condition)                                     \
  ((condition) ? static_cast<void>(0)                               \
               : ::mpool::os::AssertFailed(__FILE__, __LINE__, #condition))
#endif

#endif  // MPOOL_OS_ASSERT_H_
