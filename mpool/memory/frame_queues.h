// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// frame_queues.h - the queues of a page class: free frames, and the
// replacement order of the frames with pages.
//
// Role:        links and unlinks headers. Knows headers by their index alone:
//              extents and rings are in extent_table.h.
// Concurrency: a change of a queue acquires the queue latch of its page class.
// Invariants:  Q1 a header is in at most one queue, and `queue` names it.
//              Q2 the free queue is a hint: the CAS FREE -> LOADING is the
//              allocation. The next rebuild finds a frame that is FREE and in
//              no queue.
//              Q3 a header is linked, and its class changes, under the queue
//              latch of its current class.
// Crash:       queues are derived. Rebuild makes those whose latch a dead
//              thread held again; it links frames that a dead thread took out.
// Lock rank:   kQueue; no latch is acquired under it.

#ifndef MPOOL_MPOOL_MEMORY_FRAME_QUEUES_H_
#define MPOOL_MPOOL_MEMORY_FRAME_QUEUES_H_

#include <cstdint>
#include <vector>

#include "absl/functional/function_ref.h"
#include "mpool/memory/pool_header.h"
#include "mpool/page/buffer_header.h"
#include "mpool/page/frame_set.h"
#include "region/memory.h"
#include "region/repair_pass.h"

namespace mpool::internal {

// kUsed: the policy keeps VALID frames in the order queue of their class.
enum class OrderQueue { kUsed, kUnused };

class FrameQueues {
 public:
  enum class End { kFront, kBack };
  using Visit = absl::FunctionRef<void(BufferHeader&)>;
  // Calls its argument for each header of the cache.
  using Headers = absl::FunctionRef<void(Visit)>;

  explicit FrameQueues(region::Memory& memory) : memory_(memory) {}

  // Attaches to the pool header of a region.
  void Attach(PoolHeader& pool) { pool_ = &pool; }

  // QueueOf returns a queue of the header's class. Link and Unlink change it.
  // REQUIRES: the queue latch of the header's class.
  FrameQueue& QueueOf(const BufferHeader& header, Queue queue) const;
  void Link(BufferHeader& header, Queue queue, End end);
  void Unlink(BufferHeader& header);

  // Unlinks and returns the head of the free queue; nullptr if it is empty.
  BufferHeader* PopFree(const region::Thread& self, PageClass page_class);
  // Links a FREE frame into the free queue.
  void PushFree(const region::Thread& self, BufferHeader& header);
  // Links those of the `count` headers that are FREE and in no queue.
  // REQUIRES: the headers are of the class.
  void PushAllFree(const region::Thread& self, PageClass page_class,
                   BufferHeader* first, uint64_t count);
  // Removes the headers from their queues and from the class.
  // REQUIRES: the caller owns their frames, all of the class.
  void RemoveFromClass(const region::Thread& self, PageClass page_class,
                       BufferHeader* first, uint64_t count);

  // Makes all queues again. Keeps the policy's order as far as its links can be
  // followed.
  // REQUIRES: no other process is attached (not checkable: see Adoption::Run).
  void RelinkAll(Headers headers, OrderQueue order);
  // Links the frames that are in no queue. Makes the queues again whose latch a
  // dead thread holds, and takes over the latch. Waits for live owners. Adds
  // the number of latches taken over to `*latches`.
  void Rebuild(const region::RepairPass& pass, Headers headers,
               OrderQueue order);

 private:
  // The links of a class's queues before a rebuild.
  enum class Links { kWhole, kBroken };

  BufferHeader& header(FrameIndex frame) const {
    return *memory_.At<BufferHeader>(frame.offset());
  }
  FrameIndex IndexOf(const BufferHeader& header) const {
    return FrameIndex::AtOffset(memory_.OffsetOf(&header));
  }
  region::RankedLatch<region::LockRank::kQueue>& LatchOf(
      PageClass page_class) const {
    return pool_->class_of(page_class).queue_latch;
  }
  // Removes all headers from the ends of a class's queues.
  static void Clear(ClassHeader& page_class);
  std::vector<FrameIndex> FollowOrder(FrameSet* left) const;
  void LinkAtRest(BufferHeader& header, OrderQueue order);
  void RebuildClass(PageClass page_class, Headers headers, OrderQueue order,
                    Links links);

  region::Memory& memory_;
  PoolHeader* pool_ = nullptr;
};

}  // namespace mpool::internal

#endif  // MPOOL_MPOOL_MEMORY_FRAME_QUEUES_H_
