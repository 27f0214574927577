// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// adopt.h - adopts a region that no process is attached to.
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

#ifndef MPOOL_REGION_ADOPT_H_
#define MPOOL_REGION_ADOPT_H_

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "mpool/stats.h"
#include "region/client.h"
#include "region/members.h"
#include "region/memory.h"
#include "region/repair.h"

namespace mpool::region {

class Adopter {
 public:
  // `home` is the path for messages.
  Adopter(Memory& memory, Members& members, const Repairer& repairer,
          RegionClient& client, std::string home)
      : memory_(memory),
        members_(members),
        repairer_(repairer),
        client_(client),
        home_(std::move(home)) {}

  // Returns the error for a region that cannot be repaired.
  absl::Status CannotAdopt(absl::string_view why) const;
  // Returns DataLoss if heap or tables are damaged. Adds the chunks of the
  // tables to `reached`. Reads only.
  absl::Status CheckTables(Sharing sharing, Reachable* reached);
  // Adopts the region. `reached` is the result of CheckTables.
  // REQUIRES: the gate, and no other process is attached. Not checkable: the
  // caller's object holds the gate.
  void Adopt(Reachable* reached);

 private:
  RegionHeader& header() const { return *memory_.header(); }
  void CutThreads(Reachable* reached, RepairReport* report);
  void CutImages(Reachable* reached, RepairReport* report);
  void ClearAllLedgers(RepairReport* report);
  void NoteTheDead(RepairReport* report) const;
  void FreeAllSlots();

  Memory& memory_;
  Members& members_;
  const Repairer& repairer_;
  RegionClient& client_;
  const std::string home_;
};

}  // namespace mpool::region

#endif  // MPOOL_REGION_ADOPT_H_
