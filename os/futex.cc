// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "os/futex.h"

#include <linux/futex.h>
#include <linux/membarrier.h>
#include <time.h>

#include <algorithm>
#include <bit>
#include <climits>

#include "os/syscalls.h"

namespace mpool::os {
namespace {

static_assert(sizeof(std::atomic<uint32_t>) == sizeof(uint32_t));
static_assert(sizeof(std::atomic<uint64_t>) == sizeof(uint64_t));
static_assert(std::endian::native == std::endian::little,
              "LowHalf takes the first four bytes");

uint32_t* KernelWord(const std::atomic<uint32_t>* word) {
  return reinterpret_cast<uint32_t*>(const_cast<std::atomic<uint32_t>*>(word));
}

}  // namespace

void FutexWait(const std::atomic<uint32_t>* word, uint32_t expected,
               absl::Duration timeout) {
  timespec time = {};
  const timespec* limit = nullptr;
  if (timeout != absl::InfiniteDuration()) {
    time = absl::ToTimespec(std::max(timeout, absl::ZeroDuration()));
    limit = &time;
  }
  // The result is ignored, because the caller checks the word again in every
  // case.
  Sys().futex(KernelWord(word), FUTEX_WAIT, expected, limit);
}

void FutexWakeAll(const std::atomic<uint32_t>* word) {
  Sys().futex(KernelWord(word), FUTEX_WAKE, INT_MAX, nullptr);
}

bool RegisterGlobalBarrier() {
  return Sys().membarrier(MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED, 0) == 0;
}

bool GlobalBarrier() {
  return Sys().membarrier(MEMBARRIER_CMD_GLOBAL_EXPEDITED, 0) == 0;
}

const std::atomic<uint32_t>* LowHalf(const std::atomic<uint64_t>* word) {
  return reinterpret_cast<const std::atomic<uint32_t>*>(word);
}

}  // namespace mpool::os
