// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// repair.h - finds dead processes and repairs what they left in the region.
// The client repairs the tables above this layer.
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

#ifndef MPOOL_REGION_REPAIR_H_
#define MPOOL_REGION_REPAIR_H_

#include <cstdint>
#include <functional>
#include <utility>

#include "absl/time/time.h"
#include "mpool/stats.h"
#include "region/client.h"
#include "region/latch.h"
#include "region/members.h"
#include "region/memory.h"
#include "region/thread.h"

namespace mpool::region {

class Repairer : public LifeWatch {
 public:
  // `members` may be constructed later.
  Repairer(Memory& memory, Members& members)
      : memory_(memory), members_(members) {}
  Repairer(const Repairer&) = delete;
  Repairer& operator=(const Repairer&) = delete;

  // Sets the layer above, which repairs its tables.
  void set_client(RegionClient* client) { client_ = client; }
  // Sets the callback for each repair that this process finished.
  void set_on_repair(std::function<void(const RepairReport&)> callback) {
    on_repair_ = std::move(callback);
  }
  // Passes pages that were lost without a death to that callback.
  void ReportRepair(const RepairReport& report) const {
    if (on_repair_ != nullptr) on_repair_(report);
  }

  // LifeWatch.
  bool RepairIfDead(uint32_t suspect, uint32_t self) override;
  // Repairs the dead predecessor in this process's slot, if there is one.
  // REQUIRES: the client can repair, and no thread has registered. Not
  // checkable: threads may register in the middle of the call.
  void RepairPredecessor(RepairReport* report);
  // Probes every process and repairs the dead.
  void RepairAll(const Thread& self, RepairReport* report);
  // Repairs the dead and waits up to `patience` for repairs by other processes,
  // so that everything that the dead held is released afterwards. Returns false
  // if such a repair is still under way.
  bool RepairAndWait(const Thread& self,
                     absl::Duration patience = absl::Seconds(1));
  // True if the intent words of a thread of the process lead to a place that
  // names the chunk: either the new chunk or the chunk to be replaced.
  bool IsLinked(uint64_t payload, uint32_t process) const;

 private:
  RegionHeader& header() const { return *memory_.header(); }
  bool ClaimRepair(uint32_t process);
  void ClearLedgers(const DeadThreads& dead, RepairReport* report);
  void FreeThread(const Thread& self, uint32_t id);
  void RepairRows(const Thread& self, uint32_t process,
                  const DeadThreads& dead, RepairReport* report);
  void RepairProcess(const Thread& self, uint32_t process,
                     RepairReport* report);

  Memory& memory_;
  Members& members_;
  RegionClient* client_ = nullptr;
  std::function<void(const RepairReport&)> on_repair_;
};

}  // namespace mpool::region

#endif  // MPOOL_REGION_REPAIR_H_
