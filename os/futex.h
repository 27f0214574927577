// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// futex.h - waits on a word of shared memory, and the barrier that makes a
// fence in a put unnecessary.

#ifndef MPOOL_OS_FUTEX_H_
#define MPOOL_OS_FUTEX_H_

#include <atomic>
#include <cstdint>

#include "absl/time/time.h"

namespace mpool::os {

// Sleeps while *word == expected, until woken, for at most `timeout`. May
// return early, so the caller checks the word again. Works between processes.
void FutexWait(const std::atomic<uint32_t>* word, uint32_t expected,
               absl::Duration timeout);
// Wakes all threads that sleep on `word`.
void FutexWakeAll(const std::atomic<uint32_t>* word);

// Registers the process for GlobalBarrier. Returns false if the kernel refuses.
bool RegisterGlobalBarrier();
// Executes a full memory barrier on every running thread of every registered
// process (membarrier GLOBAL_EXPEDITED). Returns false if the kernel refuses.
bool GlobalBarrier();

// Returns the low 32 bits of a 64-bit word, for FutexWait.
const std::atomic<uint32_t>* LowHalf(const std::atomic<uint64_t>* word);

}  // namespace mpool::os

#endif  // MPOOL_OS_FUTEX_H_
