// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// thread.h - a registered thread, as the functions of the region and of the
// layer above pass it.

#ifndef MPOOL_REGION_THREAD_H_
#define MPOOL_REGION_THREAD_H_

#include <bitset>
#include <cstdint>

#include "region/limits.h"

namespace mpool::region {

class LifeWatch;
struct ThreadSlot;

// A thread that is registered in the region. Private to its process.
struct Thread {
  uint32_t id = 0;       // 1..kMaxThreads; the owner bits of every latch
  uint32_t process = 0;  // its process slot
  ThreadSlot* slot = nullptr;
  // Repairs the dead owner of a latch for which the thread waits.
  LifeWatch* watch = nullptr;
};

using DeadThreads = std::bitset<kMaxThreads + 1>;

}  // namespace mpool::region

#endif  // MPOOL_REGION_THREAD_H_
