// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// adopt.cc - adopts a region that no process is attached to.
//
// All former processes have left or are dead, so no word changes and no wait is
// needed. The adopter therefore
//   - frees all latches, ledgers and slots, whatever their words say;
//   - rebuilds derived data from its sources;
//   - keeps the heap chunks that a link leads to, and frees all others.
// This repairs what any number of dead processes left, and flipped bits in such
// words. A region that cannot be repaired is refused before a byte is changed.
//
// Invariants: A1 the adopter holds the gate throughout, so that no process
//             joins a half adopted region.
//             A2 no other process reads the region, so the stores need no order
//             among themselves. The gate's lock orders them before the next
//             joiner.
//             A3 the adopter holds nothing yet, so that a word which names the
//             adopter's thread is stale too.
// Crash:      the next opener finds the region idle and adopts it from the
//             start. Each part can be repeated.

#include "absl/strings/str_cat.h"
#include "os/status.h"
#include "os/step.h"
#include "region/region.h"

namespace mpool::region {
namespace {

// The generation rises, so that a stale word never matches.
void FreeWord(ThreadSlot& slot) {
  const ThreadWord word =
      ThreadWord::Unpack(slot.word.load(std::memory_order_relaxed));
  slot.word.store(ThreadWord{.generation = word.generation + 1}.Pack(),
                  std::memory_order_relaxed);
}

}  // namespace

absl::Status Region::CannotAdopt(absl::string_view why) const {
  return absl::DataLossError(absl::StrCat(
      "join region of ", home_.path(), ": ", why,
      "; the pages that were not written to their files are lost with it: "
      "discard them with 'mpool remove --force'"));
}

absl::Status Region::CheckTables(bool alone, Reachable* reached) {
  absl::Status status;
  if (alone) status = heap_.CheckChunks();
  if (status.ok()) status = tenant_->Check(alone, reached);
  return status.ok() ? status : CannotAdopt(status.message());
}

// Cuts each link that does not lead to a chunk of its own. The slots, entries
// and images behind it are lost; they belonged to dead processes.
void Region::CutThreads(Reachable* reached, RepairReport* report) {
  for (std::atomic<uint64_t>& place : header_->thread_blocks) {
    if (place.load() == 0 || reached->Add(place.load(), sizeof(ThreadBlock))) {
      continue;
    }
    place.store(0, std::memory_order_relaxed);
    ++report->damaged;
  }
  ForEachSlotThere([&](uint32_t, ThreadSlot& slot) {
    std::atomic<uint64_t>* link = &slot.overflow;
    while (link->load() != 0) {
      if (!reached->Add(link->load(), sizeof(LedgerOverflow))) {
        link->store(0, std::memory_order_relaxed);
        ++report->damaged;
        return;
      }
      link = &At<LedgerOverflow>(link->load())->next;
    }
  });
  // Images do not enter `reached`: AdoptIdle reads them once more, then frees
  // them by Sweep.
  Reachable images(heap_);
  ForEachSlotThere([&](uint32_t, ThreadSlot& slot) {
    std::atomic<uint64_t>* link = &slot.images;
    while (link->load() != 0) {
      const uint64_t at = link->load();
      if (reached->Has(at) ||
          !images.Add(at, sizeof(Image) + kMinPageBytes) ||
          At<Image>(at)->room.load() > heap_.SizeOf(at) - sizeof(Image)) {
        link->store(0, std::memory_order_relaxed);
        ++report->damaged;
        return;
      }
      link = &At<Image>(at)->next;
    }
  });
}

void Region::ClearAllLedgers(RepairReport* report) {
  auto clear = [&](std::atomic<uint64_t>& entry) {
    if (entry.load() == 0) return;
    entry.store(0, std::memory_order_relaxed);
    ++report->pins;
  };
  ForEachSlotThere([&](uint32_t, ThreadSlot& slot) {
    for (std::atomic<uint64_t>& entry : slot.entries) clear(entry);
    for (uint64_t at = slot.overflow.load(); at != 0;) {
      LedgerOverflow* block = At<LedgerOverflow>(at);
      for (std::atomic<uint64_t>& entry : block->entries) clear(entry);
      at = block->next.load();
    }
  });
}

// Adds the dead processes to the report.
void Region::NoteTheDead(RepairReport* report) const {
  for (uint32_t slot = 1; slot <= kMaxProcesses; ++slot) {
    const ProcessSlot& place = header_->processes[slot - 1];
    const ProcessWord word = ProcessWord::Unpack(place.word.load());
    const bool mine = slot == process_ && inherited_.none();
    if (mine || word.state == SlotState::kFree) continue;
    report->processes.push_back({static_cast<int>(place.pid.load()), slot});
  }
}

void Region::FreeAllSlots() {
  uint32_t last = 0;
  ForEachSlotThere([&](uint32_t id, ThreadSlot& slot) {
    slot.intent_chunk.store(0, std::memory_order_relaxed);
    ClearImages(slot);
    if (slot.word.load() == 0) return;
    if (id > kMaxProcesses) last = id;
    FreeWord(slot);
  });
  ClaimWord(&header_->process_threads[process_ - 1].word, process_);
  header_->thread_high_water.store(last);
  MPOOL_STEP("region.adopt.threads");
  uint32_t highest = process_;
  for (uint32_t slot = 1; slot <= kMaxProcesses; ++slot) {
    std::atomic<uint64_t>& place = header_->processes[slot - 1].word;
    const uint64_t seen = place.load();
    if (seen == 0) continue;
    highest = std::max(highest, slot);
    if (slot == process_) continue;
    const uint32_t generation = ProcessWord::Unpack(seen).generation;
    place.store(ProcessWord{.generation = generation}.Pack(),
                std::memory_order_relaxed);
  }
  header_->process_high_water.store(highest, std::memory_order_relaxed);
}

void Region::AdoptIdle(Reachable* reached) {
  const Thread self = process_thread();
  RepairReport report;
  // A process that joined a half adopted region would find latches reset whose
  // lists nobody rebuilds.
  header_->adopting.store(1, std::memory_order_release);
  MPOOL_STEP("region.adopt.begun");
  NoteTheDead(&report);
  for (Latch* latch : {&header_->heap_latch, &header_->block_latch}) {
    if (latch->Reset()) ++report.latches;
  }
  CutThreads(reached, &report);
  heap_.Relist();
  ClearAllLedgers(&report);
  MPOOL_STEP("region.adopt.ledgers");
  tenant_->Adopt(self, reached, &report);
  MPOOL_STEP("region.adopt.tenant");
  ForEachSlotThere([](uint32_t, ThreadSlot& slot) { slot.images.store(0); });
  MPOOL_STEP("region.adopt.images");
  heap_.Sweep(*reached);
  MPOOL_STEP("region.adopt.heap");
  FreeAllSlots();
  MPOOL_STEP("region.adopt.slots");
  if (inherited_.any()) WriteIdentity();
  inherited_.reset();
  header_->repairs.fetch_add(report.processes.size());
  header_->adoptions.fetch_add(1);
  header_->adopting.store(0, std::memory_order_release);
  MPOOL_STEP("region.adopt.done");
  if (on_repair_ == nullptr) return;
  if (!report.processes.empty() || report.damaged != 0) on_repair_(report);
}

}  // namespace mpool::region
