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
#include "os/status.h"
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
  const uint64_t word = panic_->load(std::memory_order_acquire);
  return word == 0 || word == recovered_.load(std::memory_order_relaxed)
             ? absl::OkStatus()
             : Panicked(word);
}

absl::Status Pool::PanicOfAll() const {
  const uint64_t word =
      region_.header()->panic.load(std::memory_order_acquire);
  return word == 0 ? absl::OkStatus() : Panicked(word);
}

absl::Status Pool::Panicked(uint64_t word) const {
  const uint64_t key = ~word;
  uint32_t pid = 0;
  frames_.ForEachHeader([&](const BufferHeader& header) {
    if (header.Load().phase() == Phase::kPoisoned && header.key.load() == key) {
      pid = header.poisoned_by.load();
    }
  });
  absl::Status status = absl::DataLossError(absl::StrCat(
      "use environment ", region_.home().path(), ": panic: ",
      pid == 0 ? "a process" : absl::StrCat("process ", pid),
      " died while it changed ", files_.TellPage(key),
      ", which has its owner's log for this (FileOptions::lsn_offset): let the "
      "owner open the environment with EnvOptions::recover, redo from its log, "
      "and call DbEnv::ClearPanic"));
  status.SetPayload(kPanicPayload, absl::Cord(absl::StrCat(word)));
  return status;
}

void Pool::AllowPanicked() {
  recovered_.store(region_.header()->panic.load(std::memory_order_acquire),
                   std::memory_order_relaxed);
}

std::optional<uint64_t> Pool::LostLoggedPage() const {
  std::optional<uint64_t> lost;
  frames_.ForEachHeader([&](const BufferHeader& header) {
    const uint64_t key = header.key.load();
    const FileEntry* file = files_.At(PageKey::FileIndex(key));
    if (header.Load().phase() == Phase::kPoisoned && file != nullptr &&
        HasLsn(*file)) {
      lost = key;
    }
  });
  return lost;
}

// The word goes before the last look: a page that is lost meanwhile sets it
// again, or is seen here.
absl::Status Pool::ClearPanic() {
  MPOOL_RETURN_IF_ERROR(Self().status());
  std::optional<uint64_t> lost = LostLoggedPage();
  if (!lost.has_value()) {
    MPOOL_STEP("mpool.panic.clear");
    region_.header()->panic.store(0, std::memory_order_seq_cst);
    MPOOL_STEP("mpool.panic.cleared");
    recovered_.store(0, std::memory_order_relaxed);
    lost = LostLoggedPage();
    RepairReport report;
    if (lost.has_value()) SetPanic(*lost, &report);
  }
  if (!lost.has_value()) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      "clear the panic of ", region_.home().path(), ": ",
      files_.TellPage(*lost), " is still lost; make it anew from the log, with "
      "GetForUpdate and GetOptions::create"));
}

}  // namespace mpool::internal
