// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "mpool/get/putter.h"

#include <mutex>

#include "mpool/page/page_lsn.h"
#include "os/assert.h"
#include "os/cancel.h"
#include "os/step.h"

namespace mpool::internal {

void Putter::PutExclusive(const Pin& pin, bool changed) {
  if (pin.generation != generation()) return;
  // The thread that acquired the page owns its image.
  const State held = pin.header->Load();
  MPOOL_ASSERT(held.has(State::kX) && pin.entry != nullptr);
  region::ThreadSlot* owner = members_.SlotOf(held.owner());
  latch_.ReleaseExclusive(*pin.header, changed);
  if (owner != nullptr) {
    images_.DropOf(*owner, frames_.IndexOf(*pin.header), held.version());
  }
  latch_.Withdraw(*pin.header, pin.entry);
}

void Putter::SetLsn(const Pin& pin, Lsn lsn) const {
  if (pin.generation != generation()) return;
  MPOOL_ASSERT(pin.data != nullptr && pin.size != 0);
  const FileEntry* entry = files_.At(pin.header->LoadKey().file_index());
  if (entry != nullptr) StoreLsn(*entry, {pin.data, pin.size}, lsn);
}

void Putter::Undo(const Pin& pin) {
  if (pin.generation != generation()) return;
  const os::CancelOff no_cancel;
  RepairReport report;
  {
    os::MutexLock lock(members_.process_mutex());
    const region::Thread self = members_.process_thread();
    BufferHeader& header = *pin.header;
    const State held = header.Load();
    MPOOL_ASSERT(held.has(State::kX) && pin.entry != nullptr);
    MPOOL_STEP("mpool.undo.begin");
    if (repair_.RepairExclusive(self, header, held,
                                members_.PidOf(self.id), &report,
                                pin.entry)) {
      MPOOL_STEP("mpool.undo.dropped");
      frames_.queues().PushFree(self, header);
    } else {
      MPOOL_STEP("mpool.undo.settled");
      if (region::ThreadSlot* owner = members_.SlotOf(held.owner())) {
        images_.DropOf(*owner, frames_.IndexOf(header), held.version());
      }
      latch_.Withdraw(header, pin.entry);
      MPOOL_STEP("mpool.undo.withdrawn");
    }
  }
  repairer_.ReportRepair(report);
}

void PutShared(const Pin& pin) noexcept { pin.putter->PutShared(pin); }

void PutExclusive(const Pin& pin, bool changed) noexcept {
  pin.putter->PutExclusive(pin, changed);
}

void UndoExclusive(const Pin& pin) noexcept { pin.putter->Undo(pin); }

void SetPageLsn(const Pin& pin, Lsn lsn) noexcept {
  pin.putter->SetLsn(pin, lsn);
}

PageNo PageNumber(const Pin& pin) noexcept {
  return pin.header->LoadKey(std::memory_order_relaxed).page();
}

void PutAtEnd(const Pin& pin, int unwindings) noexcept {
  if (os::Unwindings() > unwindings) {
    pin.putter->Undo(pin);
  } else {
    pin.putter->PutExclusive(pin, /*changed=*/true);
  }
}

}  // namespace mpool::internal
