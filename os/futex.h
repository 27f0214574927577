// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// futex.h - sleeping on a word of shared memory, and the barrier that lets a
// put do without a fence.

#ifndef MPOOL_OS_FUTEX_H_
#define MPOOL_OS_FUTEX_H_

#include <atomic>
#include <cstdint>

#include "absl/time/time.h"

namespace mpool::os {

// Sleeps while *word == expected, until woken, or for at most `timeout`. May
// return early; the caller looks again. Works between processes.
void FutexWait(const std::atomic<uint32_t>* word, uint32_t expected,
               absl::Duration timeout);
// Wakes all who sleep on `word`.
void FutexWakeAll(const std::atomic<uint32_t>* word);

// Registers the process for GlobalBarrier. False where the kernel refuses.
bool RegisterGlobalBarrier();
// A full memory barrier on every running thread of every registered process
// (membarrier GLOBAL_EXPEDITED). False where the kernel refuses.
bool GlobalBarrier();

// The low 32 bits of a 64-bit word, to sleep on.
const std::atomic<uint32_t>* LowHalf(const std::atomic<uint64_t>* word);

}  // namespace mpool::os

#endif  // MPOOL_OS_FUTEX_H_
