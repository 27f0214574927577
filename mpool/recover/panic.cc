// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// panic.cc - the panic: a writer died and left a page that only the log of the
// file's owner can restore.
//
// From then on every get of every process is refused, until the owner has
// recovered. Otherwise a process could build on half of a change that is whole
// only in the log. Puts, write-back and closing still work.
//
// Words: panic       number of the panic; 0 = none. The repairer sets it before
//                    it poisons the page. If a repairer dies in between, the
//                    next one finds the page unchanged and does both again.
//        panics      the highest number so far. Each lost page takes the next,
//                    also during a panic, because a process that recovers from
//                    one panic has not seen the page of the next.
//        panic_page  the page of a panic, for the error message; stored before
//                    the number

#include "absl/strings/str_cat.h"
#include "mpool/pool/pool.h"
#include "os/status.h"
#include "os/step.h"

namespace mpool::internal {

void Pool::SetPanic(uint64_t key, RepairReport* report) {
  region::RegionHeader& header = *region_.header();
  MPOOL_STEP("mpool.panic.set");
  // no step: a number that is never set is skipped.
  const uint64_t number = header.panics.fetch_add(1) + 1;
  header.panic_page.store(key, std::memory_order_relaxed);
  uint64_t seen = header.panic.load(std::memory_order_acquire);
  while (seen < number &&
         !header.panic.compare_exchange_weak(seen, number,
                                             std::memory_order_acq_rel)) {
  }
  MPOOL_STEP("mpool.panic.is_set");
  report->panicked = true;
}

// Sets the panic again if the owner cleared it before it could see this page.
// REQUIRES: the page is poisoned.
void Pool::KeepPanic(uint64_t key, RepairReport* report) {
  if (region_.header()->panic.load(std::memory_order_seq_cst) == 0) {
    SetPanic(key, report);
  }
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
  const uint64_t key =
      region_.header()->panic_page.load(std::memory_order_relaxed);
  uint32_t pid = 0;
  frames_.ForEachHeader([&](const BufferHeader& header) {
    if (header.Load().phase() == Phase::kPoisoned && header.key.load() == key) {
      pid = header.poisoned_by.load();
    }
  });
  absl::Status status = absl::DataLossError(absl::StrCat(
      "use environment ", region_.home().path(), ": panic: ",
      pid == 0 ? "a process" : absl::StrCat("process ", pid),
      " died while it changed ", files_.DescribePage(key), " (or an exception "
      "unwound the change), which has its owner's log for this "
      "(FileOptions::lsn_offset): let the owner open the environment with "
      "EnvOptions::recover, redo from its log, and call DbEnv::ClearPanic"));
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

// Clears the panic word before the last search for lost pages. So a page that
// is lost during the call either sets the word again or is found here. Only the
// panic that the caller recovered from is cleared, because another panic needs
// work that the caller does not know of. Returns FailedPrecondition if a page
// is still lost, and the panic error if another panic is set.
absl::Status Pool::ClearPanic() {
  MPOOL_RETURN_IF_ERROR(Self().status());
  MPOOL_RETURN_IF_ERROR(CheckPanic());
  std::optional<uint64_t> lost = LostLoggedPage();
  uint64_t word = recovered_.load(std::memory_order_relaxed);
  if (!lost.has_value() && word != 0) {
    MPOOL_STEP("mpool.panic.clear");
    const bool cleared = region_.header()->panic.compare_exchange_strong(
        word, 0, std::memory_order_seq_cst);
    MPOOL_STEP("mpool.panic.cleared");
    if (!cleared && word != 0) return Panicked(word);
    lost = LostLoggedPage();
    RepairReport report;
    if (lost.has_value()) KeepPanic(*lost, &report);
  }
  if (!lost.has_value()) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("clear the panic of ", region_.home().path(), ": ",
                   files_.DescribePage(*lost),
                   " is still lost; make it anew from the log, with "
                   "GetForUpdate and GetOptions::create"));
}

}  // namespace mpool::internal
