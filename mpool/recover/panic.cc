// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "mpool/recover/panic.h"

#include "absl/strings/str_cat.h"
#include "mpool/page.h"
#include "os/status.h"
#include "os/step.h"

namespace mpool::internal {

void Panic::Set(PageKey key, RepairReport* report) {
  region::RegionHeader& header = *memory_.header();
  MPOOL_STEP("mpool.panic.set");
  // no step: a number that is never set is skipped.
  const uint64_t number = header.panics.fetch_add(1) + 1;
  header.panic_page.store(key.bits(), std::memory_order_relaxed);
  uint64_t seen = header.panic.load(std::memory_order_acquire);
  while (seen < number && !header.panic.compare_exchange_weak(
                              seen, number, std::memory_order_acq_rel)) {
  }
  MPOOL_STEP("mpool.panic.is_set");
  report->panicked = true;
}

void Panic::Keep(PageKey key, RepairReport* report) {
  if (memory_.header()->panic.load(std::memory_order_seq_cst) == 0) {
    Set(key, report);
  }
}

absl::Status Panic::CheckAsOther() const {
  const uint64_t word =
      memory_.header()->panic.load(std::memory_order_acquire);
  return word == 0 ? absl::OkStatus() : Error(word);
}

absl::Status Panic::Error(uint64_t word) const {
  const PageKey key(
      memory_.header()->panic_page.load(std::memory_order_relaxed));
  uint32_t pid = 0;
  frames_.ForEachHeader([&](const BufferHeader& header) {
    if (header.Load().phase() == Phase::kPoisoned && header.LoadKey() == key) {
      pid = header.poisoned_by.load();
    }
  });
  absl::Status status = absl::DataLossError(absl::StrCat(
      "use environment ", home_files_.home().path(),
      ": panic: ", pid == 0 ? "a process" : absl::StrCat("process ", pid),
      " died while it changed ", files_.DescribePage(key),
      " (or an exception "
      "unwound the change), which has its owner's log for this "
      "(FileOptions::lsn_offset): let the owner open the environment with "
      "EnvOptions::recover, redo from its log, and call DbEnv::ClearPanic"));
  status.SetPayload(kPanicPayload, absl::Cord(absl::StrCat(word)));
  return status;
}

void Panic::Allow() {
  recovered_.store(
      memory_.header()->panic.load(std::memory_order_acquire),
      std::memory_order_relaxed);
}

std::optional<PageKey> Panic::LostLoggedPage() const {
  std::optional<PageKey> lost;
  frames_.ForEachHeader([&](const BufferHeader& header) {
    const PageKey key = header.LoadKey();
    const FileEntry* file = files_.At(key.file_index());
    if (header.Load().phase() == Phase::kPoisoned && file != nullptr &&
        HasLsn(*file)) {
      lost = key;
    }
  });
  return lost;
}

// Clears the panic word before the last search for lost pages. So a page that
// is lost during the call either sets the word again or is found here. Only the
// panic that the caller recovered from is cleared, because another panic needs
// work that the caller does not know of. Returns FailedPrecondition if a page
// is still lost, and the panic error if another panic is set.
absl::Status Panic::Clear() {
  MPOOL_RETURN_IF_ERROR(Check());
  std::optional<PageKey> lost = LostLoggedPage();
  uint64_t word = recovered_.load(std::memory_order_relaxed);
  if (!lost.has_value() && word != 0) {
    MPOOL_STEP("mpool.panic.clear");
    const bool cleared =
        memory_.header()->panic.compare_exchange_strong(
            word, 0, std::memory_order_seq_cst);
    MPOOL_STEP("mpool.panic.cleared");
    if (!cleared && word != 0) return Error(word);
    lost = LostLoggedPage();
    RepairReport report;
    if (lost.has_value()) Keep(*lost, &report);
  }
  if (!lost.has_value()) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("clear the panic of ", home_files_.home().path(),
                   ": ", files_.DescribePage(*lost),
                   " is still lost; make it anew from the log, with "
                   "GetForUpdate and GetOptions::create"));
}

}  // namespace mpool::internal
