// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// frame_queues.cc - links frames into the queues of their page class.

#include "mpool/memory/frame_queues.h"

#include "os/assert.h"
#include "os/step.h"

namespace mpool::internal {

using region::LatchGuard;

FrameQueue& FrameQueues::QueueOf(const BufferHeader& header,
                                 Queue queue) const {
  MPOOL_ASSERT(pool_ != nullptr);
  ClassHeader& c = pool_->class_of(header.page_class());
  return queue == Queue::kFree ? c.free : c.order;
}

void FrameQueues::Link(BufferHeader& header, Queue queue, End end) {
  MPOOL_ASSERT(queue != Queue::kNone);
  FrameQueue& ends = QueueOf(header, queue);
  const FrameIndex me = IndexOf(header);
  MPOOL_ASSERT(!me.is_none());
  const bool at_front = end == End::kFront;
  std::atomic<uint32_t>& near_end = at_front ? ends.head : ends.tail;
  const FrameIndex neighbour(near_end.load(std::memory_order_relaxed));
  MPOOL_ASSERT(neighbour != me);
  header.next.store(at_front ? neighbour.value() : 0,
                    std::memory_order_relaxed);
  header.prev.store(at_front ? 0 : neighbour.value(),
                    std::memory_order_relaxed);
  header.queue.store(static_cast<uint32_t>(queue), std::memory_order_release);
  MPOOL_STEP("mpool.queue.link");
  if (neighbour.is_none()) {
    ends.head.store(me.value(), std::memory_order_relaxed);
    ends.tail.store(me.value(), std::memory_order_relaxed);
    return;
  }
  BufferHeader& other = this->header(neighbour);
  (at_front ? other.prev : other.next)
      .store(me.value(), std::memory_order_relaxed);
  MPOOL_STEP("mpool.queue.half_linked");
  near_end.store(me.value(), std::memory_order_relaxed);
}

void FrameQueues::Unlink(BufferHeader& header) {
  const Queue queue =
      static_cast<Queue>(header.queue.load(std::memory_order_relaxed));
  MPOOL_ASSERT(queue != Queue::kNone);
  FrameQueue& ends = QueueOf(header, queue);
  const FrameIndex next(header.next.load(std::memory_order_relaxed));
  const FrameIndex prev(header.prev.load(std::memory_order_relaxed));
  MPOOL_ASSERT(next != IndexOf(header) && prev != IndexOf(header));
  (prev.is_none() ? ends.head : this->header(prev).next)
      .store(next.value(), std::memory_order_relaxed);
  MPOOL_STEP("mpool.queue.half_unlinked");
  (next.is_none() ? ends.tail : this->header(next).prev)
      .store(prev.value(), std::memory_order_relaxed);
  header.next.store(0, std::memory_order_relaxed);
  header.prev.store(0, std::memory_order_relaxed);
  header.queue.store(static_cast<uint32_t>(Queue::kNone),
                     std::memory_order_relaxed);
}

BufferHeader* FrameQueues::PopFree(const region::Thread& self,
                                   PageClass page_class) {
  MPOOL_ASSERT(self.id != 0);
  ClassHeader& c = pool_->class_of(page_class);
  LatchGuard guard(self, c.queue_latch);
  const FrameIndex head(c.free.head.load(std::memory_order_relaxed));
  if (head.is_none()) return nullptr;
  BufferHeader* found = &header(head);
  MPOOL_STEP("mpool.queue.pop");
  Unlink(*found);
  MPOOL_STEP("mpool.queue.popped");
  return found;
}

// A drainer first acquires a frame and later unlinks it under this latch. So a
// frame that is still FREE here is unlinked in time.
void FrameQueues::PushFree(const region::Thread& self, BufferHeader& header) {
  MPOOL_ASSERT(self.id != 0);
  const PageClass page_class = header.page_class();
  LatchGuard guard(self, LatchOf(page_class));
  // The order of the two checks matters: see IsOfClass.
  if (header.Load().phase() != Phase::kFree || !header.IsOfClass(page_class)) {
    return;
  }
  if (!IsIn(header, Queue::kNone)) Unlink(header);
  Link(header, Queue::kFree, End::kBack);
}

void FrameQueues::PushAllFree(const region::Thread& self, PageClass page_class,
                              BufferHeader* first, uint64_t count) {
  MPOOL_ASSERT(first != nullptr);
  LatchGuard queue(self, LatchOf(page_class));
  for (uint64_t i = 0; i < count; ++i) {
    MPOOL_ASSERT(first[i].page_class() == page_class);
    if (first[i].Load().phase() == Phase::kFree &&
        IsIn(first[i], Queue::kNone)) {
      Link(first[i], Queue::kFree, End::kBack);
    }
  }
}

void FrameQueues::RemoveFromClass(const region::Thread& self,
                                  PageClass page_class, BufferHeader* first,
                                  uint64_t count) {
  MPOOL_ASSERT(first != nullptr);
  LatchGuard queue(self, LatchOf(page_class));
  for (uint64_t i = 0; i < count; ++i) {
    MPOOL_ASSERT(first[i].Load().phase() == Phase::kLoading);
    MPOOL_ASSERT(first[i].Load().owner() == self.id);
    if (!IsIn(first[i], Queue::kNone)) Unlink(first[i]);
    first[i].LeaveClass();
    MPOOL_ASSERT(!first[i].IsOfClass(page_class));
  }
  MPOOL_STEP("mpool.extent.unlinked");
}

void FrameQueues::Clear(ClassHeader& page_class) {
  for (FrameQueue* queue : {&page_class.free, &page_class.order}) {
    queue->head.store(0, std::memory_order_relaxed);
    queue->tail.store(0, std::memory_order_relaxed);
  }
}

// Links frames that are in no queue. kBroken: the links are invalid, so all
// queues are made again and the order of use is lost.
void FrameQueues::RebuildClass(PageClass page_class, Headers headers,
                               OrderQueue order, Links links) {
  MPOOL_ASSERT(LatchOf(page_class).owner() != 0);
  if (links == Links::kBroken) {
    Clear(pool_->class_of(page_class));
    headers([&](BufferHeader& header) {
      if (!header.IsOfClass(page_class)) return;
      header.queue.store(static_cast<uint32_t>(Queue::kNone),
                         std::memory_order_relaxed);
    });
  }
  headers([&](BufferHeader& header) {
    if (!header.IsOfClass(page_class) ||
        header.queue.load(std::memory_order_relaxed) !=
            static_cast<uint32_t>(Queue::kNone)) {
      return;
    }
    const Phase phase = header.Load().phase();
    if (!header.IsOfClass(page_class)) return;
    if (phase == Phase::kFree) {
      Link(header, Queue::kFree, End::kBack);
    } else if (order == OrderQueue::kUsed && phase != Phase::kLoading &&
               phase != Phase::kRetired) {
      Link(header, Queue::kReplacement, End::kBack);
    }
  });
}

void FrameQueues::Rebuild(const region::RepairPass& pass, Headers headers,
                          OrderQueue order) {
  MPOOL_ASSERT(pool_ != nullptr);
  for (const PageClass page_class : kAllPageClasses) {
    auto& latch = LatchOf(page_class);
    const uint32_t owner = latch.owner();
    const bool is_broken =
        pass.IsDead(owner) && latch.TakeOver(owner, pass.self);
    if (is_broken) {
      ++pass.report->latches;
    } else {
      latch.Lock(pass.self);
    }
    MPOOL_ASSERT(latch.owner() == pass.self.id);
    RebuildClass(page_class, headers, order,
                 is_broken ? Links::kBroken : Links::kWhole);
    MPOOL_STEP("mpool.repair.queue");
    latch.Unlock(pass.self);
  }
}

// Returns the frames of all orders, up to the first bad link of each. Removes
// them from `left`, so that a frame counts once.
std::vector<FrameIndex> FrameQueues::FollowOrder(FrameSet* left) const {
  std::vector<FrameIndex> order;
  for (const ClassHeader& c : pool_->classes) {
    FrameIndex at(c.order.head.load());
    for (; left->Has(at); at = FrameIndex(header(at).next.load())) {
      order.push_back(at);
      left->Remove(at);
    }
  }
  return order;
}

// no step below: no other process is attached; see adoption.h.
void FrameQueues::RelinkAll(Headers headers, OrderQueue order) {
  MPOOL_ASSERT(pool_ != nullptr);
  FrameSet left;
  if (order == OrderQueue::kUsed) {
    headers([&](BufferHeader& header) { left.Add(IndexOf(header)); });
  }
  const std::vector<FrameIndex> kept = FollowOrder(&left);
  for (ClassHeader& c : pool_->classes) {
    MPOOL_ASSERT(c.queue_latch.owner() == 0);
    Clear(c);
  }
  for (const FrameIndex frame : kept) LinkAtRest(header(frame), order);
  headers([&](BufferHeader& header) {
    if (order == OrderQueue::kUnused || left.Has(IndexOf(header))) {
      LinkAtRest(header, order);
    }
  });
}

// no step below: no other process is attached; see adoption.h.
void FrameQueues::LinkAtRest(BufferHeader& header, OrderQueue order) {
  if (header.Load().phase() == Phase::kFree) {
    Link(header, Queue::kFree, End::kBack);
  } else if (order == OrderQueue::kUsed) {
    Link(header, Queue::kReplacement, End::kBack);
  } else {
    header.queue.store(static_cast<uint32_t>(Queue::kNone));
  }
}

}  // namespace mpool::internal
