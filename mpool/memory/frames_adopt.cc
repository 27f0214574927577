// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// frames_adopt.cc - links the frames again when no process is attached.
// no step file: no other process is attached; the adopter passes the steps.

#include <vector>

#include "mpool/memory/frames.h"
#include "mpool/page/frame_set.h"

namespace mpool::internal {

// Keeps the policy's order as far as its links can be followed.
void FrameTable::RelinkAll(bool ordered) {
  FrameSet left;
  if (ordered) {
    ForEachHeader([&](BufferHeader& header) { left.Add(IndexOf(header)); });
  }
  std::vector<FrameIndex> order;
  for (ClassHeader& c : pool_->classes) {
    FrameIndex at = c.order.head.load();
    for (; left.Has(at); at = header(at).next.load()) {
      order.push_back(at);
      left.Remove(at);
    }
    for (FrameQueue* queue : {&c.free, &c.order}) {
      queue->head.store(0);
      queue->tail.store(0);
    }
  }
  for (const FrameIndex frame : order) LinkAtRest(header(frame), ordered);
  ForEachHeader([&](BufferHeader& header) {
    if (!ordered || left.Has(IndexOf(header))) LinkAtRest(header, ordered);
  });
}

void FrameTable::LinkAtRest(BufferHeader& header, bool ordered) {
  if (header.Load().phase() == Phase::kFree) {
    Link(header, Queue::kFree, /*at_front=*/false);
  } else if (ordered) {
    Link(header, Queue::kReplacement, /*at_front=*/false);
  } else {
    header.queue.store(static_cast<uint32_t>(Queue::kNone));
  }
}

}  // namespace mpool::internal
