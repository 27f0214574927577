// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// frames.cc - acquires and frees frames, and links them into queues.

#include "mpool/memory/frames.h"

#include "os/futex.h"
#include "os/step.h"

namespace mpool::internal {
namespace {

using region::LatchGuard;

}  // namespace

bool FrameTable::TryTake(const region::Thread& self, BufferHeader& header,
                         uint32_t page_class) {
  State seen = header.Load();
  if (seen.phase() != Phase::kFree) return false;
  MPOOL_STEP("mpool.frame.take");
  if (!header.Change(&seen,
                     seen.WithPhase(Phase::kLoading).WithOwner(self.id))) {
    return false;
  }
  MPOOL_STEP("mpool.frame.taken");
  // The caller may have read the frame's class before another class got the
  // frame.
  if (header.IsOfClass(page_class)) return true;
  GiveBack(self, header);
  return false;
}

BufferHeader* FrameTable::TakeFree(const region::Thread& self,
                                   uint32_t page_class) {
  ClassHeader& c = pool_->classes[page_class];
  while (true) {
    BufferHeader* found = nullptr;
    {
      LatchGuard guard(self, c.queue_latch);
      const FrameIndex head = c.free.head.load(std::memory_order_relaxed);
      if (head == 0) return nullptr;
      found = &header(head);
      MPOOL_STEP("mpool.queue.pop");
      Unlink(*found);
      MPOOL_STEP("mpool.queue.popped");
    }
    if (TryTake(self, *found, page_class)) return found;
  }
}

// Ends LOADING and wakes the waiters. A thread may still wait for the page that
// the frame held before.
// no step below: its callers pass steps.
void FrameTable::LeaveLoading(BufferHeader& header, bool retired) {
  State seen = header.Load();
  while (!header.Change(
      &seen, retired ? seen.NextVersion().Bare().WithPhase(Phase::kRetired)
                     : seen.Bare())) {
  }
  if (seen.has(State::kWaiters)) os::FutexWakeAll(os::LowHalf(&header.state));
}

void FrameTable::GiveBack(const region::Thread& self, BufferHeader& header) {
  MPOOL_STEP("mpool.frame.free");
  LeaveLoading(header, /*retired=*/false);
  MPOOL_STEP("mpool.frame.freed");
  PushFree(self, header);
}

// A drainer first acquires a frame and later unlinks it under this latch. So a
// frame that is still FREE here is unlinked in time.
void FrameTable::PushFree(const region::Thread& self, BufferHeader& header) {
  const uint32_t page_class = header.page_class();
  LatchGuard guard(self, pool_->classes[page_class].queue_latch);
  // The order of the two checks matters: see IsOfClass.
  if (header.Load().phase() != Phase::kFree || !header.IsOfClass(page_class)) {
    return;
  }
  if (header.queue.load() != static_cast<uint32_t>(Queue::kNone)) {
    Unlink(header);
  }
  Link(header, Queue::kFree, /*at_front=*/false);
}

FrameQueue& FrameTable::QueueOf(const BufferHeader& header,
                                Queue queue) const {
  ClassHeader& c = pool_->classes[header.page_class()];
  return queue == Queue::kFree ? c.free : c.order;
}

void FrameTable::Link(BufferHeader& header, Queue queue, bool at_front) {
  FrameQueue& ends = QueueOf(header, queue);
  const FrameIndex me = IndexOf(header);
  std::atomic<uint32_t>& near_end = at_front ? ends.head : ends.tail;
  const FrameIndex neighbour = near_end.load(std::memory_order_relaxed);
  header.next.store(at_front ? neighbour : 0, std::memory_order_relaxed);
  header.prev.store(at_front ? 0 : neighbour, std::memory_order_relaxed);
  header.queue.store(static_cast<uint32_t>(queue), std::memory_order_release);
  MPOOL_STEP("mpool.queue.link");
  if (neighbour == 0) {
    ends.head.store(me, std::memory_order_relaxed);
    ends.tail.store(me, std::memory_order_relaxed);
    return;
  }
  BufferHeader& other = this->header(neighbour);
  (at_front ? other.prev : other.next).store(me, std::memory_order_relaxed);
  MPOOL_STEP("mpool.queue.half_linked");
  near_end.store(me, std::memory_order_relaxed);
}

void FrameTable::Unlink(BufferHeader& header) {
  const Queue queue =
      static_cast<Queue>(header.queue.load(std::memory_order_relaxed));
  FrameQueue& ends = QueueOf(header, queue);
  const FrameIndex next = header.next.load(std::memory_order_relaxed);
  const FrameIndex prev = header.prev.load(std::memory_order_relaxed);
  (prev == 0 ? ends.head : this->header(prev).next)
      .store(next, std::memory_order_relaxed);
  MPOOL_STEP("mpool.queue.half_unlinked");
  (next == 0 ? ends.tail : this->header(next).prev)
      .store(prev, std::memory_order_relaxed);
  header.next.store(0, std::memory_order_relaxed);
  header.prev.store(0, std::memory_order_relaxed);
  header.queue.store(static_cast<uint32_t>(Queue::kNone),
                     std::memory_order_relaxed);
}

// Links frames that are in no queue. `anew`: the links are invalid, so all
// queues are rebuilt and the order of use is lost.
void FrameTable::RebuildClass(uint32_t page_class, bool ordered, bool anew) {
  ClassHeader& c = pool_->classes[page_class];
  if (anew) {
    for (FrameQueue* queue : {&c.free, &c.order}) {
      queue->head.store(0, std::memory_order_relaxed);
      queue->tail.store(0, std::memory_order_relaxed);
    }
    ForEachHeader([&](BufferHeader& header) {
      if (!header.IsOfClass(page_class)) return;
      header.queue.store(static_cast<uint32_t>(Queue::kNone),
                         std::memory_order_relaxed);
    });
  }
  ForEachHeader([&](BufferHeader& header) {
    if (!header.IsOfClass(page_class) ||
        header.queue.load(std::memory_order_relaxed) !=
            static_cast<uint32_t>(Queue::kNone)) {
      return;
    }
    const Phase phase = header.Load().phase();
    if (!header.IsOfClass(page_class)) return;
    if (phase == Phase::kFree) {
      Link(header, Queue::kFree, false);
    } else if (ordered && phase != Phase::kLoading &&
               phase != Phase::kRetired) {
      Link(header, Queue::kReplacement, false);
    }
  });
}

void FrameTable::Rebuild(const region::Thread& self,
                         const std::function<bool(uint32_t)>& is_dead,
                         bool ordered, uint64_t* latches) {
  auto& extents = pool_->extents_latch;
  const uint32_t cutter = extents.owner();
  if (is_dead(cutter) &&
      extents.TakeOver(cutter, self)) {
    RebuildRings();
    ++*latches;
    extents.Unlock(self);
  }
  MPOOL_STEP("mpool.repair.rings");
  for (uint32_t i = 0; i < kPageClasses; ++i) {
    auto& latch = pool_->classes[i].queue_latch;
    const uint32_t owner = latch.owner();
    const bool anew =
        is_dead(owner) && latch.TakeOver(owner, self);
    if (anew) {
      ++*latches;
    } else {
      latch.Lock(self);
    }
    RebuildClass(i, ordered, anew);
    MPOOL_STEP("mpool.repair.queue");
    latch.Unlock(self);
  }
}

}  // namespace mpool::internal
