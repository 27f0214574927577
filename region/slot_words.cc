// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "region/slot_words.h"

#include "os/assert.h"

namespace mpool::region {

#ifndef NDEBUG
namespace {

constexpr uint32_t kGenerationMask = 0xffffff;

bool IsLegal(const ProcessWord& from, const ProcessWord& to) {
  const bool same = to.generation == from.generation;
  const bool next =
      (to.generation & kGenerationMask) ==
      ((from.generation + 1) & kGenerationMask);
  switch (to.state) {
    case SlotState::kFree:
      return same && to.repairer == 0 && from.state != SlotState::kFree;
    case SlotState::kLive:
      return next && to.repairer == 0;
    case SlotState::kRepairing:
      return same && to.repairer != 0 && from.state != SlotState::kFree;
  }
  return false;
}

bool IsLegal(const ThreadWord& from, const ThreadWord& to) {
  const bool same = to.generation == from.generation;
  switch (to.state) {
    case ThreadState::kFree:
      return to.generation == from.generation + 1 && to.process == 0 &&
             from.state != ThreadState::kFree;
    case ThreadState::kLive:
      return same && to.process != 0 &&
             (from.state == ThreadState::kFree ||
              (from.state == ThreadState::kLeaving &&
               to.process == from.process));
    case ThreadState::kLeaving:
      return same && to.process == from.process &&
             from.state == ThreadState::kLive;
  }
  return false;
}

}  // namespace

void CheckTransition(const ProcessWord& from, const ProcessWord& to) {
  if (IsLegal(from, to)) return;
  os::TransitionFailed("process slot", from.Pack(), to.Pack());
}

void CheckTransition(const ThreadWord& from, const ThreadWord& to) {
  if (IsLegal(from, to)) return;
  os::TransitionFailed("thread slot", from.Pack(), to.Pack());
}
#endif

bool ClaimWord(std::atomic<uint64_t>* word, uint32_t process) {
  MPOOL_ASSERT(process != 0);
  uint64_t old = word->load(std::memory_order_relaxed);
  ThreadWord now = ThreadWord::Unpack(old);
  if (now.state != ThreadState::kFree) return false;
  const ThreadWord before = now;
  now.state = ThreadState::kLive;
  now.process = process;
  CheckTransition(before, now);
  // no step: the callers pass the steps.
  return word->compare_exchange_strong(old, now.Pack(),
                                       std::memory_order_seq_cst);
}

void SetThreadState(std::atomic<uint64_t>* word, ThreadState state) {
  const ThreadWord now =
      ThreadWord::Unpack(word->load(std::memory_order_relaxed));
  ThreadWord next = now;
  next.state = state;
  if (state == ThreadState::kFree) {
    next.process = 0;
    ++next.generation;
  }
  CheckTransition(now, next);
  // no step: the callers pass the steps.
  word->store(next.Pack(), std::memory_order_release);
}

}  // namespace mpool::region
