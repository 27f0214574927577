// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// undo.cc - puts the page of a guard for update that is destroyed during the
// unwinding of the stack. The change may be half done. So the page is treated
// like the page of a dead writer (rows X of the table in repair.cc).
//
// Concurrency: works in the name of the process, not of the thread. The guard
//              may belong to another thread, and this thread may have no slot.
// Crash:       each step leaves a row of the table in repair.cc.

#include <mutex>

#include "mpool/pool/pool.h"
#include "os/cancel.h"
#include "os/step.h"

namespace mpool::internal {

void Pool::Undo(const Pin& pin) {
  if (pin.generation != generation()) return;
  const os::CancelOff no_cancel;
  RepairReport report;
  {
    std::lock_guard<std::mutex> lock(region_.process_mutex());
    const region::Thread self = region_.process_thread();
    BufferHeader& header = *pin.header;
    const State held = header.Load();
    MPOOL_STEP("mpool.undo.begin");
    if (RepairExclusive(self, header, held, region_.PidOf(self.id), &report,
                        pin.entry)) {
      MPOOL_STEP("mpool.undo.dropped");
      frames_.PushFree(self, header);
    } else {
      MPOOL_STEP("mpool.undo.settled");
      if (region::ThreadSlot* owner = region_.SlotOf(held.owner())) {
        images_.DropOf(*owner, frames_.IndexOf(header), held.version());
      }
      latch_.Withdraw(header, pin.entry);
      MPOOL_STEP("mpool.undo.withdrawn");
    }
  }
  region_.ReportRepair(report);
}

void PutAtEnd(const Pin& pin, int unwindings) noexcept {
  if (os::Unwindings() > unwindings) {
    pin.pool->Undo(pin);
  } else {
    pin.pool->PutExclusive(pin, /*changed=*/true);
  }
}

}  // namespace mpool::internal
