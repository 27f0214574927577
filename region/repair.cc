// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// repair.cc - finds dead processes and repairs what they left in the region.
// The tenant repairs the tables above this layer.
//
// Invariants: P1 a process is dead if its slot is live and its byte is free,
//             because a process locks the byte before the slot turns live and
//             drops it after the slot turned free.
//             P2 the claim is a CAS on the very slot word that was read before
//             the probe, so that no repairer repairs a new process in the slot.
//             P3 another repairer can repeat each row, in part or in whole. The
//             slot turns free last.
//             P4 under the claim a repairer does no I/O, runs no callback and
//             waits only for bucket, queue and heap latches. It repairs the
//             dead owners of such latches in turn.
//             P5 a thread that repairs a process during the repair of another
//             treats the threads of both as dead.
//             P6 a process that takes a dead process's slot repairs it as the
//             slot's owner. To other processes the slot is live. If the owner
//             dies, all threads of the slot are dead.
// Crash:      the claim names the repairer's slot and generation. A process
//             that finds this repairer dead takes the claim over.

#include "os/clock.h"
#include "os/futex.h"
#include "os/step.h"
#include "region/region.h"

namespace mpool::region {
namespace {

// The unfinished repairs of this thread, innermost first. They nest because a
// repairer that waits for a latch may have to repair the latch's dead owner.
struct Underway {
  const DeadThreads& dead;
  const Underway* outer;
};
thread_local const Underway* underway = nullptr;

bool IsOfRepairUnderway(uint32_t thread) {
  for (const Underway* one = underway; one != nullptr; one = one->outer) {
    if (thread <= kMaxThreads && one->dead[thread]) return true;
  }
  return false;
}

}  // namespace

bool Region::IsLocked(uint32_t process) const {
  // A failed probe proves nothing. Neither does a probe of a replaced register,
  // which does not show this process's own lock.
  const auto held = lock_file_->FindHeld(process, 1);
  if (!held.ok() || held->has_value()) return true;
  if (!life_.held() || generation() == 0) return false;
  const auto own = lock_file_->FindHeld(process_, 1);
  return !own.ok() || !own->has_value();
}

// True if a living process is repairing the slot.
bool Region::IsClaimedByLiving(const ProcessWord& word) const {
  const uint32_t repairer = word.repairer;
  if (word.state != SlotState::kRepairing || repairer == 0 ||
      repairer > kMaxProcesses) {
    return false;
  }
  const ProcessWord other = ProcessWord::Unpack(
      header_->processes[repairer - 1].word.load(std::memory_order_acquire));
  return other.generation == word.repairer_generation &&
         other.state == SlotState::kLive && IsLocked(repairer);
}

// Claims the repair of a dead process for this process, or takes over the claim
// of a dead repairer. False if the process lives or is being repaired.
bool Region::ClaimRepair(uint32_t process) {
  std::atomic<uint64_t>& place = header_->processes[process - 1].word;
  uint64_t seen = place.load(std::memory_order_acquire);
  const ProcessWord word = ProcessWord::Unpack(seen);
  if (word.state == SlotState::kFree) return false;
  if (word.state == SlotState::kLive && IsLocked(process)) return false;
  if (IsClaimedByLiving(word)) return false;
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

DeadThreads Region::ThreadsOf(uint32_t process) const {
  DeadThreads threads;
  ForEachThread([&](uint32_t id, ThreadSlot&, ThreadWord word) {
    if (word.process == process) threads.set(id);
  });
  return threads;
}

void Region::ClearLedgers(const DeadThreads& dead, RepairReport* report) {
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
}

// Repairs everything that the dead threads left except their slots.
void Region::RepairRows(const Thread& self, uint32_t process,
                        const DeadThreads& dead, RepairReport* report) {
  const Underway here{dead, underway};
  underway = &here;
  // The dead of the outer repairs count too, because only this thread can
  // release their latches and must not wait for itself. Their rows can be
  // repeated.
  const auto is_dead = [](uint32_t id) { return IsOfRepairUnderway(id); };
  ClearLedgers(dead, report);
  tenant_->RepairClient(self, process, is_dead, report);
  MPOOL_STEP("region.repair.tenant");
  const uint32_t block_owner = header_->block_latch.owner();
  if (is_dead(block_owner) && header_->block_latch.ReleaseDead(block_owner)) {
    ++report->latches;
  }
  heap_.Repair(self, process, is_dead);
  MPOOL_STEP("region.repair.heap");
  underway = here.outer;
  report->processes.push_back(
      {static_cast<int>(header_->processes[process - 1].pid.load(
           std::memory_order_relaxed)),
       process});
}

// Runs last, because repair needs the images until no page of the dead is half
// changed.
void Region::ClearImages(ThreadSlot& slot) {
  ForEachImage(slot, [](Image& image) {
    image.word.store(0, std::memory_order_release);
  });
  slot.group.store(0, std::memory_order_release);
  MPOOL_STEP("region.repair.images");
}

void Region::FreeThread(const Thread& self, uint32_t id) {
  ThreadSlot* slot = SlotOf(id);
  ClearImages(*slot);
  FreeImages(self, *slot, 0);
  slot->intent_chunk.store(0, std::memory_order_relaxed);
  const ThreadWord word =
      ThreadWord::Unpack(slot->word.load(std::memory_order_relaxed));
  slot->word.store(ThreadWord{.generation = word.generation + 1}.Pack(),
                   std::memory_order_release);
  MPOOL_STEP("region.repair.thread");
}

void Region::RepairProcess(const Thread& self, uint32_t process,
                           RepairReport* report) {
  if (process == process_ || !options_.shared || !ClaimRepair(process)) return;
  const DeadThreads dead = ThreadsOf(process);
  RepairRows(self, process, dead, report);
  for (uint32_t id = 1; id <= kMaxThreads; ++id) {
    if (dead[id]) FreeThread(self, id);
  }
  header_->repairs.fetch_add(1, std::memory_order_relaxed);
  std::atomic<uint64_t>& place = header_->processes[process - 1].word;
  const ProcessWord word = ProcessWord::Unpack(place.load());
  place.store(ProcessWord{.generation = word.generation}.Pack(),
              std::memory_order_release);
  MPOOL_STEP("region.repair.freed");
}

void Region::RepairPredecessor(RepairReport* report) {
  if (inherited_.none()) return;
  const Thread self = process_thread();
  RepairRows(self, process_, inherited_, report);
  for (uint32_t id = 1; id <= kMaxThreads; ++id) {
    if (inherited_[id] && id != self.id) FreeThread(self, id);
  }
  ClearImages(*self.slot);
  FreeImages(self, *self.slot, 0);
  self.slot->intent_chunk.store(0, std::memory_order_relaxed);
  inherited_.reset();
  header_->repairs.fetch_add(1, std::memory_order_relaxed);
  WriteIdentity();
  if (on_repair_ != nullptr) on_repair_(*report);
}

bool Region::RepairIfDead(uint32_t suspect, uint32_t self) {
  const ThreadSlot* slot = SlotOf(suspect);
  if (slot == nullptr) return false;
  const uint32_t process =
      ThreadWord::Unpack(slot->word.load(std::memory_order_acquire)).process;
  if (process == 0 || process > kMaxProcesses) return false;
  RepairReport report;
  RepairProcess({self, process_, SlotOf(self)}, process, &report);
  if (report.processes.empty()) return false;
  if (on_repair_ != nullptr) on_repair_(report);
  return true;
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

bool Region::RepairAndWait(const Thread& self, absl::Duration patience) {
  RepairReport report;
  RepairAll(self, &report);
  auto is_underway = [this] {
    const uint32_t count = std::min(
        header_->process_high_water.load(std::memory_order_acquire),
        kMaxProcesses);
    for (uint32_t process = 1; process <= count; ++process) {
      if (IsClaimedByLiving(ProcessWord::Unpack(
              header_->processes[process - 1].word.load()))) {
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
