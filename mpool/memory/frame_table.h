// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// frame_table.h - the frames of the cache: their headers by index, and the
// frames that a thread takes and gives back.
//
// Role:        the entry to the cache's memory. Owns the extents
//              (extent_table.h) and the queues (frame_queues.h). Calls go one
//              way: FrameTable -> ExtentTable -> FrameQueues.
// Concurrency: any thread may make any call at any time, except where a comment
//              says that no other process is attached.
// Invariants:  F1 the CAS FREE -> LOADING is the allocation of a frame. Queues
//              and rings only say where to try it.
// Crash:       a frame is as its state word says; see buffer_header.h.

#ifndef MPOOL_MPOOL_MEMORY_FRAME_TABLE_H_
#define MPOOL_MPOOL_MEMORY_FRAME_TABLE_H_

#include <cstddef>
#include <cstdint>
#include <span>

#include "absl/status/status.h"
#include "mpool/memory/extent_table.h"
#include "mpool/memory/frame_queues.h"
#include "mpool/memory/pool_header.h"
#include "mpool/page/buffer_header.h"
#include "region/memory.h"
#include "region/repair_pass.h"

namespace mpool::internal {

class FrameTable {
 public:
  explicit FrameTable(region::Memory& memory) : memory_(memory) {}
  FrameTable(const FrameTable&) = delete;
  FrameTable& operator=(const FrameTable&) = delete;

  // Checks extents and headers, and attaches to them. Returns DataLoss if one
  // is misplaced or invalid. See region::RegionClient::Check.
  absl::Status Check(region::Reachable* reached);
  // Makes extents, headers and frames in a new region and points its root to
  // them. Returns the errors of the heap and of preparing memory.
  absl::Status Format(const region::Thread& self);
  // Attaches to the tables of a region that has them.
  void Attach();
  bool IsAttached() const { return pool_ != nullptr; }

  PoolHeader& pool() const { return *pool_; }
  ClassHeader& page_class(PageClass c) const { return pool_->class_of(c); }
  ExtentTable& extents() { return extents_; }
  const ExtentTable& extents() const { return extents_; }
  FrameQueues& queues() { return queues_; }

  BufferHeader& header(FrameIndex frame) const {
    return *memory_.At<BufferHeader>(frame.offset());
  }
  // True if a frame has this number. Accepts any number.
  bool IsHeader(FrameIndex frame) const;
  FrameIndex IndexOf(const BufferHeader& header) const {
    return FrameIndex::AtOffset(memory_.OffsetOf(&header));
  }
  std::byte* data(const BufferHeader& header) const {
    return memory_.base() + header.data_offset();
  }
  std::span<std::byte> bytes(const BufferHeader& header) const {
    return {data(header), header.page_class().bytes()};
  }

  // Returns a free frame, now LOADING in the caller's name, or nullptr if the
  // free queue is empty.
  BufferHeader* TakeFree(const region::Thread& self, PageClass page_class);
  // Turns a FREE frame LOADING. This CAS is the allocation. False if the frame
  // is not FREE or no longer has this page size.
  bool TryTake(const region::Thread& self, BufferHeader& header,
               PageClass page_class);
  // Turns a LOADING frame FREE and links it into the free queue.
  // REQUIRES: the caller owns the frame.
  void GiveBack(const region::Thread& self, BufferHeader& header);

  template <class F>
  void ForEachHeader(F&& visit) const;
  // Also visits headers of extents that are now cut for another size, or not
  // cut.
  template <class F>
  void ForEachHeaderMade(F&& visit) const;

  // Makes the queues again from the headers. `ordered`: the policy keeps VALID
  // frames in a queue.
  // REQUIRES: no other process is attached (not checkable: see Adoption::Run).
  void RelinkAll(OrderQueue order);
  // Rebuilds the rings from the extents if a dead thread was cutting, and the
  // queues from the headers. Takes over latches of dead owners. Waits for live
  // owners of queue latches. `ordered`: as above.
  void Rebuild(const region::RepairPass& pass, OrderQueue order);

 private:
  region::Memory& memory_;
  FrameQueues queues_{memory_};
  ExtentTable extents_{memory_, queues_};
  PoolHeader* pool_ = nullptr;
};

template <class F>
void FrameTable::ForEachHeader(F&& visit) const {
  extents_.ForEachExtent([&](uint32_t, CutWord now, BufferHeader* first) {
    for (uint64_t i = 0; i < now.frames; ++i) visit(first[i]);
  });
}

template <class F>
void FrameTable::ForEachHeaderMade(F&& visit) const {
  extents_.ForEachBlock([&](BufferHeader* first, uint64_t count) {
    for (uint64_t i = 0; i < count; ++i) visit(first[i]);
  });
}

}  // namespace mpool::internal

#endif  // MPOOL_MPOOL_MEMORY_FRAME_TABLE_H_
