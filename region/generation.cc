// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "region/generation.h"

#include "absl/time/time.h"
#include "os/assert.h"
#include "os/clock.h"

namespace mpool::region {

uint32_t Generation::Next() {
  static std::atomic<uint32_t> last{0};
  uint32_t next = 0;
  while (next == 0 || next >= kNone) {
    next = last.fetch_add(1, std::memory_order_relaxed) + 1;
  }
  return next;
}

void Generation::Begin() {
  MPOOL_ASSERT(value() == 0);
  // no step: only this process reads the word.
  std::atomic_ref<uint32_t>(*marker_.word()).store(Next());
}

bool Generation::HasEntered() const {
  const std::atomic_ref<uint32_t> marker(*marker_.word());
  uint32_t seen = marker.load();
  for (; seen == kEntering; seen = marker.load()) {
    os::Sleep(absl::Milliseconds(1));
  }
  return seen != 0;
}

bool Generation::BeginEntry() {
  std::atomic_ref<uint32_t> marker(*marker_.word());
  uint32_t expected = 0;
  // no step: only this process reads the word.
  return marker.compare_exchange_strong(expected, kEntering);
}

void Generation::EndEntry(uint32_t generation) {
  MPOOL_ASSERT(generation < kNone);
  std::atomic_ref<uint32_t> marker(*marker_.word());
  MPOOL_ASSERT(marker.load() == kEntering);
  marker.store(generation);  // no step: only this process reads the word.
}

}  // namespace mpool::region
