// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// lru.cc - least recently used, like Berkeley DB's bhq. The head of the order
// queue is the next victim. Each thread collects its hits and applies them
// before it chooses a victim, so that a single thread gets the exact order.

#include "mpool/evict/policy.h"
#include "os/assert.h"

namespace mpool::internal {
namespace {

using region::LatchGuard;

class Lru final : public Replacement {
 public:
  explicit Lru(FrameTable& frames) : frames_(frames) {}

  bool wants_hits() const override { return true; }
  OrderQueue order_queue() const override { return OrderQueue::kUsed; }

  void ApplyHits(ThreadContext& self) override {
    MPOOL_ASSERT(self.hit_count <= std::size(self.hits));
    for (uint32_t i = 0; i < self.hit_count;) {
      const PageClass page_class = frames_.header(self.hits[i]).page_class();
      LatchGuard guard(self.thread, frames_.page_class(page_class).queue_latch);
      for (; i < self.hit_count; ++i) {
        BufferHeader& header = frames_.header(self.hits[i]);
        if (header.page_class() != page_class) break;
        // A frame that left the queue since the hit no longer holds the page.
        // In this order: see IsOfClass.
        if (!IsIn(header, Queue::kReplacement) ||
            !header.IsOfClass(page_class)) {
          continue;
        }
        frames_.queues().Unlink(header);
        frames_.queues().Link(header, Queue::kReplacement,
                              FrameQueues::End::kBack);
      }
    }
    self.hit_count = 0;
  }

  void Inserted(ThreadContext& self, BufferHeader& header,
                Access access) override {
    ApplyHits(self);
    MPOOL_ASSERT(self.hit_count == 0);
    LatchGuard guard(self.thread, Latch(header));
    if (!IsIn(header, Queue::kNone)) frames_.queues().Unlink(header);
    frames_.queues().Link(header, Queue::kReplacement,
                          access == Access::kScan ? FrameQueues::End::kFront
                                                  : FrameQueues::End::kBack);
  }

  void Removed(ThreadContext& self, BufferHeader& header) override {
    AssertOwned(header, self.thread.id);
    LatchGuard guard(self.thread, Latch(header));
    if (IsIn(header, Queue::kReplacement)) frames_.queues().Unlink(header);
  }

  BufferHeader* NextVictim(ThreadContext& self, Search& search) override {
      ApplyHits(self);
    MPOOL_ASSERT(self.hit_count == 0);
    ClassHeader& c = frames_.page_class(search.page_class);
    LatchGuard guard(self.thread, c.queue_latch);
    FrameIndex at(c.order.head.load(std::memory_order_relaxed));
    for (uint64_t i = 0; i < search.passed && !at.is_none(); ++i) {
      at = FrameIndex(
          frames_.header(at).next.load(std::memory_order_relaxed));
    }
    ++search.passed;
    return at.is_none() ? nullptr : &frames_.header(at);
  }

  void LookAhead(ThreadContext& self, const BufferHeader& victim, size_t most,
                 std::vector<BufferHeader*>* out) override {
    MPOOL_ASSERT(out != nullptr);
    const PageClass page_class = victim.page_class();
    LatchGuard guard(self.thread, frames_.page_class(page_class).queue_latch);
    if (!IsIn(victim, Queue::kReplacement) ||
        !victim.IsOfClass(page_class)) {
      return;
    }
    FrameIndex at(victim.next.load(std::memory_order_relaxed));
    while (out->size() < most && !at.is_none()) {
      out->push_back(&frames_.header(at));
      at = FrameIndex(
          frames_.header(at).next.load(std::memory_order_relaxed));
    }
  }

 private:
  region::RankedLatch<region::LockRank::kQueue>& Latch(
      const BufferHeader& header) {
    return frames_.page_class(header.page_class()).queue_latch;
  }

  FrameTable& frames_;
};

}  // namespace

std::unique_ptr<Replacement> MakeLru(region::Memory&, FrameTable& frames) {
  return std::make_unique<Lru>(frames);
}

}  // namespace mpool::internal
