// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// stats.h - what an environment and a file tell about themselves.

#ifndef MPOOL_STATS_H_
#define MPOOL_STATS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "mpool/types.h"

namespace mpool {

// Sums over all threads of all processes since the region was made. Counters
// are exact once the threads stand still; while they run, each is some value
// it had during the call.
struct EnvStats {
#define MPOOL_COUNTER(name, unit, help) uint64_t name = 0;
#define MPOOL_GAUGE(name, unit, help) uint64_t name = 0;
#include "mpool/stats.def"
#undef MPOOL_COUNTER
#undef MPOOL_GAUGE
  Backing backing = Backing::kPosixShm;
  Policy policy = Policy::kClock;
  Origin origin = Origin::kNew;
};

struct FileStats {
  uint32_t page_size = 0;
  uint64_t page_count = 0;
  uint64_t pages_read = 0;     // by all processes
  uint64_t pages_written = 0;  // by all processes
};

// Something that a process holds, as DbEnv::Holders found it.
struct Holding {
  int pid = 0;  // as the process itself knows it
  std::string command;
  uint32_t process_slot = 0;
  uint32_t thread = 0;  // its slot; 0: the process as a whole
  // "process slot 3", "page 7 of /a/b.db for update", "the heap latch", ...
  std::string what;
  // For how long; zero where nobody notes it (pages that are read, latches),
  // and where the holder's clock is unknown (it has a time namespace of its own
  // and no /proc).
  absl::Duration held;
  bool dead = false;
};

// What a search for dead processes found and mended.
struct RepairReport {
  struct Process {
    int pid = 0;
    uint32_t slot = 0;
  };
  std::vector<Process> processes;  // the dead
  uint64_t pins = 0;               // ledger entries dropped
  uint64_t frames = 0;             // frames in the middle of something
  uint64_t latches = 0;            // latches taken back
  uint64_t restored = 0;           // pages set back to their last put
  uint64_t poisoned = 0;           // pages lost with their writer
  bool panicked = false;           // one of them had its owner's log
  uint64_t damaged = 0;            // words that no death explains, mended
};

}  // namespace mpool

#endif  // MPOOL_STATS_H_
