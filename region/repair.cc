// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "region/repair.h"

#include <algorithm>
#include <utility>

#include "os/assert.h"
#include "os/clock.h"
#include "os/futex.h"
#include "os/step.h"
#include "region/identity.h"

namespace mpool::region {
namespace {

// The dead threads of the unfinished repairs of this thread; nullptr if there
// are none. Repairs nest because a repairer that waits for a latch may have to
// repair the latch's dead owner.
thread_local const DeadThreads* underway = nullptr;

}  // namespace

// Claims the repair of a dead process for this process, or takes over the claim
// of a dead repairer. False if the process lives or is being repaired.
bool Repairer::ClaimRepair(uint32_t process) {
  MPOOL_ASSERT(process >= 1 && process <= kMaxProcesses);
  MPOOL_ASSERT(process != members_.process());
  std::atomic<uint64_t>& place = header().processes[process - 1].word;
  uint64_t seen = place.load(std::memory_order_acquire);
  const ProcessWord word = ProcessWord::Unpack(seen);
  if (word.state == SlotState::kFree) return false;
  if (word.state == SlotState::kLive && members_.IsLocked(process)) {
    return false;
  }
  if (members_.IsClaimedByLiving(word)) return false;
  const ProcessWord mine =
      ProcessWord::Unpack(header().processes[members_.process() - 1].word.load(
          std::memory_order_acquire));
  const ProcessWord claim{.generation = word.generation,
                          .repairer = members_.process(),
                          .repairer_generation = mine.generation,
                          .state = SlotState::kRepairing};
  CheckTransition(word, claim);
  MPOOL_STEP("region.repair.claim");
  if (!place.compare_exchange_strong(seen, claim.Pack(),
                                     std::memory_order_seq_cst)) {
    return false;
  }
  MPOOL_STEP("region.repair.claimed");
  return true;
}

void Repairer::ClearLedgers(const DeadThreads& dead, RepairReport* report) {
  MPOOL_ASSERT(!dead[0]);
  for (uint32_t id = 1; id <= kMaxThreads; ++id) {
    if (!dead[id]) continue;
    members_.ForEachEntry(
        *members_.SlotOf(id), [&](std::atomic<uint64_t>& entry) {
          if (entry.exchange(0, std::memory_order_seq_cst) == 0) return;
          os::FutexWakeAll(os::LowHalf(&entry));
          ++report->pins;
          MPOOL_STEP("region.repair.pin");
        });
  }
  MPOOL_STEP("region.repair.ledgers");
}

bool Repairer::IsLinked(uint64_t payload, uint32_t process) const {
  MPOOL_ASSERT(process >= 1 && process <= kMaxProcesses);
  bool linked = false;
  members_.ForEachThread([&](uint32_t, ThreadSlot& slot, ThreadWord word) {
    if (word.process != process) return;
    if (slot.intent_chunk.load(std::memory_order_acquire) == 0) return;
    const uint64_t place = slot.intent_place.load(std::memory_order_relaxed);
    if (place % 8 != 0 || !memory_.Contains(place, 8)) return;
    linked = linked || memory_.At<std::atomic<uint64_t>>(place)->load(
                           std::memory_order_acquire) == payload;
  });
  return linked;
}

// Repairs everything that the dead threads left except their slots.
void Repairer::RepairRows(const Thread& self, uint32_t process,
                        const DeadThreads& dead, RepairReport* report) {
  MPOOL_ASSERT(client_ != nullptr);
  MPOOL_ASSERT(!dead[self.id] || process == members_.process());
  // The dead of the outer repairs count too, because only this thread can
  // release their latches and must not wait for itself. Their rows can be
  // repeated.
  DeadThreads all = dead;
  if (underway != nullptr) all |= *underway;
  const DeadThreads* const outer = std::exchange(underway, &all);
  const RepairPass pass{self, process, all, report};
  ClearLedgers(dead, report);
  client_->RepairClient(pass);
  MPOOL_STEP("region.repair.tenant");
  const uint32_t block_owner = header().block_latch.owner();
  if (pass.IsDead(block_owner) &&
      header().block_latch.ReleaseDead(block_owner)) {
    ++report->latches;
  }
  memory_.heap().Repair(pass, [&](uint64_t payload) {
    return IsLinked(payload, process);
  });
  MPOOL_STEP("region.repair.heap");
  MPOOL_ASSERT(underway == &all);
  underway = outer;
  report->processes.push_back(
      {static_cast<int>(header().processes[process - 1].pid.load(
           std::memory_order_relaxed)),
       process});
}

void Repairer::FreeThread(const Thread& self, uint32_t id) {
  ThreadSlot* slot = members_.SlotOf(id);
  MPOOL_ASSERT(slot != nullptr && slot != self.slot);
  members_.ClearImages(*slot);
  members_.FreeImages(self, *slot, 0);
  slot->intent_chunk.store(0, std::memory_order_relaxed);
  const ThreadWord word =
      ThreadWord::Unpack(slot->word.load(std::memory_order_relaxed));
  const ThreadWord next{.generation = word.generation + 1};
  CheckTransition(word, next);
  slot->word.store(next.Pack(), std::memory_order_release);
  MPOOL_STEP("region.repair.thread");
}

void Repairer::RepairProcess(const Thread& self, uint32_t process,
                           RepairReport* report) {
  if (process == members_.process() || !members_.is_shared() ||
      !ClaimRepair(process)) {
    return;
  }
  MPOOL_ASSERT(self.slot != nullptr && self.watch != nullptr);
  const DeadThreads dead = members_.ThreadsOf(process);
  RepairRows(self, process, dead, report);
  for (uint32_t id = 1; id <= kMaxThreads; ++id) {
    if (dead[id]) FreeThread(self, id);
  }
  header().repairs.fetch_add(1, std::memory_order_relaxed);
  std::atomic<uint64_t>& place = header().processes[process - 1].word;
  const ProcessWord word = ProcessWord::Unpack(place.load());
  const ProcessWord next{.generation = word.generation};
  CheckTransition(word, next);
  place.store(next.Pack(), std::memory_order_release);
  MPOOL_STEP("region.repair.freed");
}

void Repairer::RepairPredecessor(RepairReport* report) {
  MPOOL_ASSERT(report != nullptr);
  if (members_.inherited().none()) return;
  const Thread self = members_.process_thread();
  RepairRows(self, members_.process(), members_.inherited(), report);
  for (uint32_t id = 1; id <= kMaxThreads; ++id) {
    if (members_.inherited()[id] && id != self.id) FreeThread(self, id);
  }
  members_.ClearImages(*self.slot);
  members_.FreeImages(self, *self.slot, 0);
  self.slot->intent_chunk.store(0, std::memory_order_relaxed);
  members_.ClearInherited();
  header().repairs.fetch_add(1, std::memory_order_relaxed);
  WriteIdentity(header().processes[members_.process() - 1]);
  ReportRepair(*report);
}

bool Repairer::RepairIfDead(uint32_t suspect, uint32_t self) {
  const ThreadSlot* slot = members_.SlotOf(suspect);
  if (slot == nullptr) return false;
  const uint32_t process =
      ThreadWord::Unpack(slot->word.load(std::memory_order_acquire)).process;
  if (process == 0 || process > kMaxProcesses) return false;
  RepairReport report;
  RepairProcess({self, members_.process(), members_.SlotOf(self), this},
                process, &report);
  if (report.processes.empty()) return false;
  ReportRepair(report);
  return true;
}

void Repairer::RepairAll(const Thread& self, RepairReport* report) {
  MPOOL_ASSERT(report != nullptr);
  const uint32_t count = std::min(
      header().process_high_water.load(std::memory_order_acquire),
      kMaxProcesses);
  for (uint32_t process = 1; process <= count; ++process) {
    RepairProcess(self, process, report);
  }
  if (!report->processes.empty()) ReportRepair(*report);
}

bool Repairer::RepairAndWait(const Thread& self, absl::Duration patience) {
  MPOOL_ASSERT(patience >= absl::ZeroDuration());
  RepairReport report;
  RepairAll(self, &report);
  auto is_underway = [this] {
    const uint32_t count = std::min(
        header().process_high_water.load(std::memory_order_acquire),
        kMaxProcesses);
    for (uint32_t process = 1; process <= count; ++process) {
      if (members_.IsClaimedByLiving(ProcessWord::Unpack(
              header().processes[process - 1].word.load()))) {
        return true;
      }
    }
    return false;
  };
  const os::Deadline deadline(patience);
  while (is_underway()) {
    if (deadline.passed()) return false;
    os::Sleep(absl::Milliseconds(1));
  }
  return true;
}

}  // namespace mpool::region
