// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// panic.cc - a page that only its owner's log can mend died with its writer.
//
// From then on every get of every process is refused, until the owner has
// recovered: nobody may build on pages whose changes are half of a whole that
// only the log knows. Puts, write-back and closing go on.
//
// Word:  the complement of the lost page's key, set once by the repairer before
//        it poisons the page; 0 = no panic. A repairer that dies in between is
//        followed by one that finds the page as it was, and does both again.

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "mpool/pool.h"
#include "os/step.h"

namespace mpool::internal {
void Pool::SetPanic(uint64_t key, RepairReport* report) {
  uint64_t none = 0;
  MPOOL_STEP("mpool.panic.set");
  region_.header()->panic.compare_exchange_strong(
      none, std::max<uint64_t>(~key, 1), std::memory_order_acq_rel);
  MPOOL_STEP("mpool.panic.is_set");
  report->panicked = true;
}

absl::Status Pool::CheckPanic() const {
  const uint64_t word = panic_.load(std::memory_order_relaxed)
                            ->load(std::memory_order_acquire);
  return word == 0 ? absl::OkStatus() : Panicked(word);
}

absl::Status Pool::PanicOfAll() const {
  const uint64_t word =
      region_.header()->panic.load(std::memory_order_acquire);
  return word == 0 ? absl::OkStatus() : Panicked(word);
}

absl::Status Pool::Panicked(uint64_t word) const {
  const uint64_t key = ~word;
  const FileEntry* file = files_.At(PageKey::FileIndex(key));
  uint32_t pid = 0;
  frames_.ForEachHeader([&](const BufferHeader& header) {
    if (header.Load().phase() == Phase::kPoisoned && header.key.load() == key) {
      pid = header.poisoned_by.load();
    }
  });
  absl::Status status = absl::DataLossError(absl::StrCat(
      "use environment ", region_.home().path(), ": panic: ",
      pid == 0 ? "a process" : absl::StrCat("process ", pid),
      " died while it changed page ", PageKey::Page(key), " of ",
      file == nullptr ? "a file" : files_.PathOf(*file),
      ", which has its owner's log for this (FileOptions::lsn_offset): let the "
      "owner open the environment with EnvOptions::recover, redo from its log, "
      "and call DbEnv::ClearPanic"));
  status.SetPayload(kPanicPayload, absl::Cord(absl::StrCat(word)));
  return status;
}

void Pool::AllowPanicked() {
  panic_.store(&kNoPanic, std::memory_order_relaxed);
}

void Pool::ClearPanic() {
  MPOOL_STEP("mpool.panic.clear");
  region_.header()->panic.store(0, std::memory_order_release);
  MPOOL_STEP("mpool.panic.cleared");
  panic_.store(&region_.header()->panic, std::memory_order_relaxed);
}

}  // namespace mpool::internal
