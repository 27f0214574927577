// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "region/latch.h"

#include <cstdio>
#include <cstdlib>

#include "absl/time/time.h"
#include "os/futex.h"
#include "os/step.h"

namespace mpool::region {
namespace {

// Longest sleep of a waiter before it probes the owner.
constexpr absl::Duration kProbeAfter = absl::Milliseconds(50);

}  // namespace

void Latch::Machine::Sleep(const Word* word, uint32_t expected) {
  os::FutexWait(word, expected, kProbeAfter);
}

void Latch::Machine::WakeAll(const Word* word) { os::FutexWakeAll(word); }

void Latch::Lock(const Thread& self, LockRank rank) {
  MPOOL_ASSERT(self.id >= 1 && self.id <= kMaxThreads);
  MPOOL_ASSERT(self.watch != nullptr);
  steps_.Lock(self.id, *self.watch);
  RankTaken(rank);
  MPOOL_STEP("region.latch.taken");
}

void Latch::Unlock(uint32_t self, LockRank rank) {
  RankReleased(rank);
  if (const uint32_t holder = steps_.Unlock(); holder != self) {
    std::fprintf(stderr, "mpool: latch of thread %u unlocked by thread %u\n",
                 holder, self);
    std::abort();
  }
}

bool Latch::ReleaseDead(uint32_t dead) {
  MPOOL_ASSERT(dead != 0);
  return steps_.ReleaseDead(dead);
}

bool Latch::TakeOver(uint32_t dead, uint32_t self, LockRank rank) {
  MPOOL_ASSERT(dead != 0 && self >= 1 && self <= kMaxThreads);
  if (!steps_.TakeOver(dead, self)) return false;
  RankTakenOver(rank);
  return true;
}

}  // namespace mpool::region
