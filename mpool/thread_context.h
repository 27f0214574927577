// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// thread_context.h - what a thread keeps in its own memory for one
// environment. Lost with the thread; nothing of it is worth repairing.

#ifndef MPOOL_MPOOL_THREAD_CONTEXT_H_
#define MPOOL_MPOOL_THREAD_CONTEXT_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "mpool/buffer_header.h"
#include "os/clock.h"
#include "region/region.h"

namespace mpool::internal {

// Index of each counter of stats.def in a thread slot.
enum class Counter : uint32_t {
#define MPOOL_COUNTER(name, unit, help) name,
#define MPOOL_GAUGE(name, unit, help)
#include "mpool/stats.def"
#undef MPOOL_COUNTER
#undef MPOOL_GAUGE
  kCount,
};
static_assert(static_cast<uint32_t>(Counter::kCount) <=
              region::kThreadCounters);

// Bytes of pages that one write-back copies before it writes them.
inline constexpr uint32_t kStagingBytes = uint32_t{1} << 20;

struct ThreadContext {
  region::Thread thread;
  uint32_t generation = 0;  // the attachment's

  // Hits that the LRU order has not seen yet.
  std::array<FrameIndex, 64> hits;
  uint32_t hit_count = 0;
  uint32_t helped = 0;  // misses while a resize was under way
  uint32_t frames_taken = 0;

  // Where write-back copies pages to; made at the first use.
  std::unique_ptr<std::byte[]> staging;

  // Only this thread stores to its counters.
  void Count(Counter counter, uint64_t n = 1) {
    Count(*thread.slot, counter, n);
  }
  static void Count(region::ThreadSlot& slot, Counter counter,
                    uint64_t n = 1) {
    std::atomic<uint64_t>& place =
        slot.counters[static_cast<uint32_t>(counter)];
    place.store(place.load(std::memory_order_relaxed) + n,
                std::memory_order_relaxed);
  }
};

// The context that the calling thread used last, in whichever attachment.
struct LastContext {
  uint32_t generation = region::Region::kNoGeneration;
  ThreadContext* context = nullptr;
  bool ended = false;  // the thread's contexts are gone
  uint64_t late_id = 0;  // of a thread that calls after that; see late.cc
  // The attachment from which the thread is in a callback of its user.
  uint32_t callback_of = region::Region::kNoGeneration;
};
// initial-exec: no call to find it, in any build.
__attribute__((tls_model("initial-exec"))) extern thread_local constinit
    LastContext last_context;

// While the thread is in a callback; calls into the environment are refused.
class CallbackScope {
 public:
  explicit CallbackScope(uint32_t generation)
      : before_(last_context.callback_of) {
    last_context.callback_of = generation;
    last_context.generation = region::Region::kNoGeneration;
  }
  ~CallbackScope() { last_context.callback_of = before_; }
  CallbackScope(const CallbackScope&) = delete;
  CallbackScope& operator=(const CallbackScope&) = delete;

 private:
  const uint32_t before_;
};

}  // namespace mpool::internal

#endif  // MPOOL_MPOOL_THREAD_CONTEXT_H_
