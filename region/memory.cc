// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "region/memory.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "os/step.h"

namespace mpool::region {

absl::Status Damaged(std::string_view part) {
  return absl::DataLossError(
      absl::StrCat("its ", os::Abs(part), " is damaged"));
}

void Memory::Use(std::unique_ptr<os::Mapping> mapping,
                 const FixedHeader& fixed) {
  MPOOL_ASSERT(mapping_ == nullptr);
  MPOOL_ASSERT(mapping != nullptr);
  mapping_ = std::move(mapping);
  fixed_ = fixed;
  base_ = mapping_->base();
  MPOOL_ASSERT(reinterpret_cast<uintptr_t>(base_) % 4096 == 0);
  header_ = reinterpret_cast<RegionHeader*>(base_);
  if (huge_pages_) mapping_->AdviseHugePages();
}

absl::Status Memory::Grow(const Thread& self, uint64_t size_bytes) {
  header_->heap_latch.AssertHeld(self);
  if (size_bytes > fixed_.heap_limit) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "grow region of ", home_, ": ", size_bytes,
        " bytes are more than the ", fixed_.heap_limit,
        " reserved at its creation; put pages, use fewer page sizes, or a "
        "larger cache"));
  }
  // Back from 0 because blocks below the old end may have been released.
  MPOOL_RETURN_IF_ERROR(Back(0, size_bytes));
  MPOOL_STEP("region.grow.backed");
  header_->size_bytes.store(size_bytes, std::memory_order_release);
  MPOOL_STEP("region.grow.published");
  return absl::OkStatus();
}

absl::Status Memory::PrepareMemory(uint64_t offset, uint64_t bytes) const {
  MPOOL_ASSERT(mapping_ != nullptr);
  if (prefault_.load()) {
    MPOOL_RETURN_IF_ERROR(mapping_->Populate(offset, bytes));
  }
  if (!lock_memory_.load()) return absl::OkStatus();
  return mapping_->LockMemory(offset, bytes);
}

// no step below: only this process reads these words.
absl::Status Memory::PrepareMore(bool prefault, bool lock_memory,
                                 const std::function<absl::Status()>& rest) {
  MPOOL_ASSERT(mapping_ != nullptr);
  MPOOL_ASSERT(rest != nullptr);
  const bool prefaulted = prefault_.exchange(prefault_.load() || prefault);
  const bool locked = lock_memory_.exchange(lock_memory_.load() || lock_memory);
  if (prefaulted >= prefault && locked >= lock_memory) return absl::OkStatus();
  absl::Status status = PrepareMemory(0, header_->size_bytes.load());
  if (status.ok()) status = rest();
  if (status.ok()) return status;
  prefault_.store(prefaulted);
  lock_memory_.store(locked);
  return status;
}

}  // namespace mpool::region
