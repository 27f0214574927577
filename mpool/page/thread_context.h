// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// thread_context.h - the private memory of a thread for one environment. It is
// lost with the thread and needs no repair.

#ifndef MPOOL_MPOOL_PAGE_THREAD_CONTEXT_H_
#define MPOOL_MPOOL_PAGE_THREAD_CONTEXT_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "mpool/page/buffer_header.h"
#include "os/clock.h"
#include "region/members.h"

namespace mpool::internal {

// The index of each counter of stats.def in a thread slot.
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

// The bytes of pages that one write-back copies before it writes them.
inline constexpr uint32_t kStagingBytes = uint32_t{1} << 20;

struct ThreadContext {
  region::Thread thread;
  uint32_t generation = 0;  // the attachment's

  // Hits that are not applied to the LRU order yet.
  std::array<FrameIndex, 64> hits;
  uint32_t hit_count = 0;
  uint32_t helped = 0;  // misses while a resize was under way
  uint32_t frames_taken = 0;

  // Buffer to which write-back copies pages; allocated at the first use.
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

// The context that the calling thread used last, of any attachment.
struct LastContext {
  uint32_t generation = region::Generation::kNone;
  ThreadContext* context = nullptr;
  bool ended = false;  // the thread's contexts are destroyed
  uint64_t late_id =
      0;  // id of a thread that calls after that; see thread_registry.h
  // Generation of the attachment that runs a user's callback on this thread.
  uint32_t callback_of = region::Generation::kNone;
};
// initial-exec: an access makes no function call, in any build.
__attribute__((tls_model("initial-exec"))) extern thread_local constinit
    LastContext last_context;

// Marks the thread as running a callback, so that its calls into the
// environment are refused.
class CallbackScope {
 public:
  explicit CallbackScope(uint32_t generation)
      : before_(last_context.callback_of) {
    last_context.callback_of = generation;
    last_context.generation = region::Generation::kNone;
  }
  ~CallbackScope() { last_context.callback_of = before_; }
  CallbackScope(const CallbackScope&) = delete;
  CallbackScope& operator=(const CallbackScope&) = delete;

 private:
  const uint32_t before_;
};

}  // namespace mpool::internal

#endif  // MPOOL_MPOOL_PAGE_THREAD_CONTEXT_H_
