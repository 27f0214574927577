// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// put.cc - puts a page. Uses only the guard, never the calling thread's own
// context, because a guard may have moved here from another thread.

#include "mpool/get/hit.h"
#include "mpool/page/page_lsn.h"

namespace mpool::internal {

void Pool::PutExclusive(const Pin& pin, bool changed) {
  if (pin.generation != generation()) return;
  // The thread that acquired the page owns its image.
  const State held = pin.header->Load();
  region::ThreadSlot* owner = region_.SlotOf(held.owner());
  latch_.ReleaseExclusive(*pin.header, changed);
  if (owner != nullptr) {
    images_.DropOf(*owner, frames_.IndexOf(*pin.header), held.version());
  }
  latch_.Withdraw(*pin.header, pin.entry);
}

void Pool::SetLsn(const Pin& pin, Lsn lsn) const {
  if (pin.generation != generation()) return;
  const FileEntry* entry =
      files_.At(PageKey::FileIndex(pin.header->key.load()));
  if (entry != nullptr) StoreLsn(*entry, {pin.data, pin.size}, lsn);
}

void PutShared(const Pin& pin) noexcept { pin.pool->PutShared(pin); }

void PutExclusive(const Pin& pin, bool changed) noexcept {
  pin.pool->PutExclusive(pin, changed);
}

void SetPageLsn(const Pin& pin, Lsn lsn) noexcept {
  pin.pool->SetLsn(pin, lsn);
}

PageNo PageNumber(const Pin& pin) noexcept {
  return PageKey::Page(pin.header->key.load(std::memory_order_relaxed));
}

}  // namespace mpool::internal
