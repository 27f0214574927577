// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "region/adopt.h"

#include <algorithm>
#include <initializer_list>

#include "absl/strings/str_cat.h"
#include "os/assert.h"
#include "os/step.h"
#include "region/identity.h"

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
absl::Status Adopter::CannotAdopt(absl::string_view why) const {
  return absl::DataLossError(absl::StrCat(
      "join region of ", home_, ": ", why,
      "; the pages that were not written to their files are lost with it: "
      "discard them with 'mpool remove --force'"));
}

absl::Status Adopter::CheckTables(Sharing sharing, Reachable* reached) {
  MPOOL_ASSERT(reached != nullptr);
  absl::Status status;
  if (sharing == Sharing::kAlone) status = memory_.heap().CheckChunks();
  if (status.ok()) status = client_.Check(sharing, reached);
  return status.ok() ? status : CannotAdopt(status.message());
}

// Cuts each link that does not lead to a chunk of its own. The slots, entries
// and images behind it are lost; they belonged to dead processes.
void Adopter::CutThreads(Reachable* reached, RepairReport* report) {
  MPOOL_ASSERT(header().adopting.load() == 1);
  for (std::atomic<uint64_t>& place : header().thread_blocks) {
    if (place.load() == 0 || reached->Add(place.load(), sizeof(ThreadBlock))) {
      continue;
    }
    place.store(0, std::memory_order_relaxed);
    ++report->damaged;
  }
  members_.ForEachSlotThere([&](uint32_t, ThreadSlot& slot) {
    std::atomic<uint64_t>* link = &slot.overflow;
    while (link->load() != 0) {
      if (!reached->Add(link->load(), sizeof(LedgerOverflow))) {
        link->store(0, std::memory_order_relaxed);
        ++report->damaged;
        return;
      }
      link = &memory_.At<LedgerOverflow>(link->load())->next;
    }
  });
  CutImages(reached, report);
}

void Adopter::CutImages(Reachable* reached, RepairReport* report) {
  MPOOL_ASSERT(header().adopting.load() == 1);
  // Images do not enter `reached`: Adopt reads them once more, then frees
  // them by Sweep.
  Reachable images(memory_.heap());
  members_.ForEachSlotThere([&](uint32_t, ThreadSlot& slot) {
    std::atomic<uint64_t>* link = &slot.images;
    while (link->load() != 0) {
      const uint64_t at = link->load();
      if (reached->Has(at) || !images.Add(at, sizeof(Image) + kMinPageBytes) ||
          memory_.At<Image>(at)->room.load() >
              memory_.heap().SizeOf(at) - sizeof(Image)) {
        link->store(0, std::memory_order_relaxed);
        ++report->damaged;
        return;
      }
      link = &memory_.At<Image>(at)->next;
    }
  });
}

void Adopter::ClearAllLedgers(RepairReport* report) {
  auto clear = [&](std::atomic<uint64_t>& entry) {
    if (entry.load() == 0) return;
    entry.store(0, std::memory_order_relaxed);
    ++report->pins;
  };
  members_.ForEachSlotThere([&](uint32_t, ThreadSlot& slot) {
    for (std::atomic<uint64_t>& entry : slot.entries) clear(entry);
    for (uint64_t at = slot.overflow.load(); at != 0;) {
      LedgerOverflow* block = memory_.At<LedgerOverflow>(at);
      for (std::atomic<uint64_t>& entry : block->entries) clear(entry);
      at = block->next.load();
    }
  });
}

// Adds the dead processes to the report.
void Adopter::NoteTheDead(RepairReport* report) const {
  for (uint32_t slot = 1; slot <= kMaxProcesses; ++slot) {
    const ProcessSlot& place = header().processes[slot - 1];
    const ProcessWord word = ProcessWord::Unpack(place.word.load());
    const bool mine = slot == members_.process() && members_.inherited().none();
    if (mine || word.state == SlotState::kFree) continue;
    report->processes.push_back({static_cast<int>(place.pid.load()), slot});
  }
}

void Adopter::FreeAllSlots() {
  MPOOL_ASSERT(header().adopting.load() == 1);
  uint32_t last = 0;
  members_.ForEachSlotThere([&](uint32_t id, ThreadSlot& slot) {
    slot.intent_chunk.store(0, std::memory_order_relaxed);
    members_.ClearImages(slot);
    if (slot.word.load() == 0) return;
    if (id > kMaxProcesses) last = id;
    FreeWord(slot);
  });
  ClaimWord(&header().process_threads[members_.process() - 1].word,
            members_.process());
  header().thread_high_water.store(last);
  MPOOL_STEP("region.adopt.threads");
  uint32_t highest = members_.process();
  for (uint32_t slot = 1; slot <= kMaxProcesses; ++slot) {
    std::atomic<uint64_t>& place = header().processes[slot - 1].word;
    const uint64_t seen = place.load();
    if (seen == 0) continue;
    highest = std::max(highest, slot);
    if (slot == members_.process()) continue;
    const uint32_t generation = ProcessWord::Unpack(seen).generation;
    place.store(ProcessWord{.generation = generation}.Pack(),
                std::memory_order_relaxed);
  }
  header().process_high_water.store(highest, std::memory_order_relaxed);
}

void Adopter::Adopt(Reachable* reached) {
  MPOOL_ASSERT(reached != nullptr);
  MPOOL_ASSERT(header().magic.load(std::memory_order_relaxed) == kMagic);
  const Thread self = members_.process_thread();
  RepairReport report;
  // A process that joined a half adopted region would find latches reset whose
  // lists nobody rebuilds.
  header().adopting.store(1, std::memory_order_release);
  MPOOL_STEP("region.adopt.begun");
  NoteTheDead(&report);
  for (Latch* latch : std::initializer_list<Latch*>{
           &header().heap_latch, &header().block_latch}) {
    if (latch->Reset()) ++report.latches;
  }
  CutThreads(reached, &report);
  memory_.heap().Relist();
  ClearAllLedgers(&report);
  MPOOL_STEP("region.adopt.ledgers");
  client_.Adopt(self, reached, &report);
  MPOOL_STEP("region.adopt.tenant");
  members_.ForEachSlotThere(
      [](uint32_t, ThreadSlot& slot) { slot.images.store(0); });
  MPOOL_STEP("region.adopt.images");
  memory_.heap().Sweep(*reached);
  MPOOL_STEP("region.adopt.heap");
  FreeAllSlots();
  MPOOL_STEP("region.adopt.slots");
  MPOOL_ASSERT(header().heap_latch.owner() == 0);
  MPOOL_ASSERT(header().block_latch.owner() == 0);
  if (members_.inherited().any()) {
    WriteIdentity(header().processes[members_.process() - 1]);
  }
  members_.ClearInherited();
  header().repairs.fetch_add(report.processes.size());
  header().adoptions.fetch_add(1);
  header().adopting.store(0, std::memory_order_release);
  MPOOL_STEP("region.adopt.done");
  if (!report.processes.empty() || report.damaged != 0) {
    repairer_.ReportRepair(report);
  }
}

}  // namespace mpool::region
