// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// frame_table.cc - makes and attaches the cache's memory; takes frames and
// gives them back.

#include "mpool/memory/frame_table.h"

#include "os/assert.h"
#include "os/round.h"
#include "os/status.h"
#include "os/step.h"

namespace mpool::internal {

absl::Status FrameTable::Format(const region::Thread& self) {
  MPOOL_ASSERT(pool_ == nullptr);
  MPOOL_RETURN_IF_ERROR(FormatPoolHeader(memory_, self));
  Attach();
  const uint64_t cache_bytes = memory_.fixed().cache_bytes;
  MPOOL_RETURN_IF_ERROR(memory_.PrepareMemory(
      extents_.memory(), os::RoundUp(cache_bytes)));
  return extents_.MakeHeaders(self, cache_bytes);
}

void FrameTable::Attach() {
  const uint64_t root =
      memory_.header()->root.load(std::memory_order_acquire);
  MPOOL_ASSERT(root != 0 && root % kLineBytes == 0);
  pool_ = memory_.At<PoolHeader>(root);
  queues_.Attach(*pool_);
  extents_.Attach(*pool_);
}

absl::Status FrameTable::Check(region::Reachable* reached) {
  MPOOL_RETURN_IF_ERROR(CheckPoolHeader(memory_, reached));
  Attach();
  return extents_.Check(reached);
}

bool FrameTable::IsHeader(FrameIndex frame) const {
  bool found = false;
  const uint64_t at = frame.offset();
  extents_.ForEachExtent(
      [&](uint32_t, CutWord now, const BufferHeader* first) {
        const uint64_t begin = memory_.OffsetOf(first);
        found = found || (begin <= at && at < begin + now.frames * kLineBytes);
      });
  return found;
}

bool FrameTable::TryTake(const region::Thread& self, BufferHeader& header,
                         PageClass page_class) {
  MPOOL_ASSERT(self.id != 0);
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
                                   PageClass page_class) {
  while (BufferHeader* found = queues_.PopFree(self, page_class)) {
    if (TryTake(self, *found, page_class)) return found;
  }
  return nullptr;
}

void FrameTable::GiveBack(const region::Thread& self, BufferHeader& header) {
  MPOOL_ASSERT(header.Load().phase() == Phase::kLoading);
  MPOOL_ASSERT(header.Load().owner() == self.id);
  MPOOL_STEP("mpool.frame.free");
  LeaveLoading(header, Phase::kFree);
  MPOOL_STEP("mpool.frame.freed");
  queues_.PushFree(self, header);
}

void FrameTable::RelinkAll(OrderQueue order) {
  queues_.RelinkAll([this](FrameQueues::Visit visit) { ForEachHeader(visit); },
                    order);
}

void FrameTable::Rebuild(const region::RepairPass& pass, OrderQueue order) {
  extents_.Rebuild(pass);
  queues_.Rebuild(
      pass, [this](FrameQueues::Visit visit) { ForEachHeader(visit); },
      order);
}

}  // namespace mpool::internal
