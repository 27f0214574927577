// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// repair.cc - finding dead processes and repairing what they left in the
// region; the rows above this layer are the tenant's.
//
// Invariants: P1 a process is dead if its slot is live and its byte is free:
//             the byte is locked before the slot turns live, and dropped after
//             it turned free.
//             P2 the claim is a CAS on the very slot word that was read before
//             the probe, so nobody repairs a newcomer.
//             P3 every row can be done again, in part or in whole, by another
//             repairer; the slot turns free last.
//             P4 no I/O, no callback and no wait under the claim, but for
//             bucket latches, whose dead owners are repaired in turn.
// Crash:      the claim names the repairer's slot and generation; whoever finds
//             that one gone takes the claim over.

#include <bitset>

#include "os/futex.h"
#include "os/step.h"
#include "region/region.h"

namespace mpool::region {

// Live and dead -> repairing, in this process's name; or takes over the claim
// of a dead repairer. False if the process lives or is being repaired.
bool Region::ClaimRepair(uint32_t process) {
  std::atomic<uint64_t>& place = header_->processes[process - 1].word;
  uint64_t seen = place.load(std::memory_order_acquire);
  const ProcessWord word = ProcessWord::Unpack(seen);
  auto is_locked = [&](uint32_t slot) {
    // A probe that fails proves nothing.
    const auto held = lock_file_->FindHeld(slot, 1);
    return !held.ok() || held->has_value();
  };
  if (word.state == SlotState::kFree) return false;
  if (word.state == SlotState::kLive && is_locked(process)) return false;
  if (word.state == SlotState::kRepairing) {
    const uint32_t repairer = word.repairer;
    if (repairer == 0 || repairer > kMaxProcesses) return false;
    const ProcessWord other = ProcessWord::Unpack(
        header_->processes[repairer - 1].word.load(std::memory_order_acquire));
    if (other.generation == word.repairer_generation &&
        other.state == SlotState::kLive && is_locked(repairer)) {
      return false;
    }
  }
  const ProcessWord mine = ProcessWord::Unpack(
      header_->processes[process_ - 1].word.load(std::memory_order_acquire));
  const ProcessWord claim{.generation = word.generation,
                          .repairer = process_,
                          .repairer_generation = mine.generation,
                          .state = SlotState::kRepairing};
  MPOOL_STEP("region.repair.claim");
  if (!place.compare_exchange_strong(seen, claim.Pack(),
                                     std::memory_order_seq_cst)) {
    return false;
  }
  MPOOL_STEP("region.repair.claimed");
  return true;
}

void Region::RepairProcess(const Thread& self, uint32_t process,
                           RepairReport* report) {
  if (process == process_ || !options_.shared || !ClaimRepair(process)) return;
  std::bitset<kMaxThreads + 1> dead;
  ForEachThread([&](uint32_t id, ThreadSlot&, ThreadWord word) {
    if (word.process == process) dead.set(id);
  });
  auto is_dead = [&](uint32_t id) { return id <= kMaxThreads && dead[id]; };

  for (uint32_t id = 1; id <= kMaxThreads; ++id) {
    if (!dead[id]) continue;
    ForEachEntry(*SlotOf(id), [&](std::atomic<uint64_t>& entry) {
      if (entry.exchange(0, std::memory_order_seq_cst) == 0) return;
      os::FutexWakeAll(os::LowHalf(&entry));
      ++report->pins;
      MPOOL_STEP("region.repair.pin");
    });
  }
  MPOOL_STEP("region.repair.ledgers");
  tenant_->RepairTenant(self, process, is_dead, report);
  MPOOL_STEP("region.repair.tenant");
  const uint32_t block_owner = header_->block_latch.owner();
  if (is_dead(block_owner) && header_->block_latch.ReleaseDead(block_owner)) {
    ++report->latches;
  }
  heap_.Repair(self, process, is_dead);
  MPOOL_STEP("region.repair.heap");
  for (uint32_t id = 1; id <= kMaxThreads; ++id) {
    if (!dead[id]) continue;
    ThreadSlot* slot = SlotOf(id);
    slot->intent_chunk.store(0, std::memory_order_relaxed);
    const ThreadWord word =
        ThreadWord::Unpack(slot->word.load(std::memory_order_relaxed));
    slot->word.store(ThreadWord{.generation = word.generation + 1}.Pack(),
                     std::memory_order_release);
    MPOOL_STEP("region.repair.thread");
  }
  ProcessSlot& place = header_->processes[process - 1];
  report->processes.push_back(
      {static_cast<int>(place.pid.load(std::memory_order_relaxed)), process});
  header_->repairs.fetch_add(1, std::memory_order_relaxed);
  const ProcessWord word = ProcessWord::Unpack(place.word.load());
  place.word.store(ProcessWord{.generation = word.generation}.Pack(),
                   std::memory_order_release);
  MPOOL_STEP("region.repair.freed");
}

void Region::Suspect(uint32_t suspect, uint32_t self) {
  const ThreadSlot* slot = SlotOf(suspect);
  if (slot == nullptr) return;
  const uint32_t process =
      ThreadWord::Unpack(slot->word.load(std::memory_order_acquire)).process;
  if (process == 0 || process > kMaxProcesses) return;
  RepairReport report;
  RepairProcess({self, process_, SlotOf(self)}, process, &report);
  if (!report.processes.empty() && on_repair_ != nullptr) on_repair_(report);
}

void Region::RepairAll(const Thread& self, RepairReport* report) {
  const uint32_t count = std::min(
      header_->process_high_water.load(std::memory_order_acquire),
      kMaxProcesses);
  for (uint32_t process = 1; process <= count; ++process) {
    RepairProcess(self, process, report);
  }
  if (!report->processes.empty() && on_repair_ != nullptr) on_repair_(*report);
}

}  // namespace mpool::region
