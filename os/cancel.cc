// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "os/cancel.h"

#include <dlfcn.h>
#include <pthread.h>

#include <atomic>
#include <cstdint>
#include <exception>

namespace mpool::os {
namespace {

constexpr int32_t kNotLookedUp = -1;
constexpr int32_t kNone = 0;

// Returns the offset, in glibc's thread descriptor, of the word that records
// how a thread ends; kNone if the C library has no such word.
int32_t FindEndWord() {
  // glibc exports the word's size in bits, its count and its offset to
  // debuggers (nptl_db). No function returns the state, and
  // std::uncaught_exceptions does not count the unwinding of a thread that
  // ends.
  const auto* field = static_cast<const uint32_t*>(
      ::dlsym(RTLD_DEFAULT, "_thread_db_pthread_cancelhandling"));
  constexpr uint32_t kLargest = 1 << 16;
  if (field == nullptr || field[0] != 8 * sizeof(int) || field[1] != 1 ||
      field[2] % sizeof(int) != 0 || field[2] > kLargest) {
    return kNone;
  }
  return static_cast<int32_t>(field[2]);
}

// True if the calling thread has begun to end by pthread_cancel or
// pthread_exit.
bool IsThreadEnding() {
  static constinit std::atomic<int32_t> known{kNotLookedUp};
  int32_t offset = known.load(std::memory_order_relaxed);
  if (offset == kNotLookedUp) {
    offset = FindEndWord();
    known.store(offset, std::memory_order_relaxed);
  }
  if (offset == kNone) return false;
  constexpr int kExiting = 1 << 4;
  const auto* descriptor = reinterpret_cast<const char*>(::pthread_self());
  const auto* word = reinterpret_cast<const int*>(descriptor + offset);
  return (__atomic_load_n(word, __ATOMIC_RELAXED) & kExiting) != 0;
}

}  // namespace

CancelOff::CancelOff() {
  ::pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before_);
}

CancelOff::~CancelOff() { ::pthread_setcancelstate(before_, nullptr); }

int Unwindings() noexcept {
  return std::uncaught_exceptions() + (IsThreadEnding() ? 1 : 0);
}

}  // namespace mpool::os
