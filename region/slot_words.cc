// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "region/slot_words.h"

namespace mpool::region {

bool ClaimWord(std::atomic<uint64_t>* word, uint32_t process) {
  uint64_t old = word->load(std::memory_order_relaxed);
  ThreadWord now = ThreadWord::Unpack(old);
  if (now.state != ThreadState::kFree) return false;
  now.state = ThreadState::kLive;
  now.process = process;
  // no step: the callers pass the steps.
  return word->compare_exchange_strong(old, now.Pack(),
                                       std::memory_order_seq_cst);
}

void SetThreadState(std::atomic<uint64_t>* word, ThreadState state,
                    std::memory_order order) {
  ThreadWord next = ThreadWord::Unpack(word->load(std::memory_order_relaxed));
  next.state = state;
  if (state == ThreadState::kFree) {
    next.process = 0;
    ++next.generation;
  }
  // no step: the callers pass the steps.
  word->store(next.Pack(), order);
}

}  // namespace mpool::region
