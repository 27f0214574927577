// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// stats.h - the statistics and reports of an environment and of a file.

#ifndef MPOOL_STATS_H_
#define MPOOL_STATS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "mpool/types.h"

namespace mpool {

// Sums over all threads of all processes since the region was created. Counters
// are exact while no thread works. While threads work, each counter is a value
// that it had during the call.
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

// A page file that an environment knows, as DbEnv::Files found it.
struct FileUse {
  std::string path;
  uint32_t page_size = 0;
  uint64_t page_count = 0;
  uint64_t pages_resident = 0;
  uint64_t pages_dirty = 0;     // with changes that are not written
  uint64_t pages_unsynced = 0;  // written, and not covered by an fsync
  uint64_t pages_lost = 0;      // see LostPage
  std::vector<int> openers;     // pids, each in its own PID namespace
  std::string error;            // of an earlier fsync, or empty
};

// A page whose writer died in the middle of a change that could not be undone.
// Gets return DataLoss until the page is written again, or DbEnv::Forget or
// MPoolFile::Discard gives it up.
struct LostPage {
  std::string path;
  PageNo page = 0;
  int pid = 0;  // of the writer, in its own PID namespace
};

// A resource that a process holds, as DbEnv::Holders found it.
struct Holding {
  int pid = 0;  // in the process's own PID namespace
  std::string command;  // as the kernel has it, control characters included
  uint32_t process_slot = 0;  // 0: the holder of the gate, which has none
  uint32_t thread = 0;  // its slot; 0: the whole process
  // "process slot 3", "page 7 of /a/b.db for update", "the heap latch", ...
  // "the gate: ...": the process opens, closes, adopts or removes the
  // environment, and other processes that do so wait for it.
  // Control characters in the path are escaped (\n, \x1b).
  std::string what;
  // Duration of the hold. Zero for pages that are held for reading and for
  // latches, which record no time. Zero also if the holder's clock is unknown
  // (a time namespace of its own and no /proc).
  absl::Duration held;
  bool dead = false;
};

// The result of a search for dead processes.
struct RepairReport {
  struct Process {
    int pid = 0;
    uint32_t slot = 0;
  };
  std::vector<Process> processes;  // the dead processes
  uint64_t pins = 0;               // ledger entries dropped
  uint64_t frames = 0;             // frames in an unfinished transition
  uint64_t latches = 0;            // latches released
  uint64_t restored = 0;           // pages set back to their last put
  uint64_t poisoned = 0;           // pages lost with their writer
  bool panicked = false;           // a lost page belongs to a file with a log
  uint64_t damaged = 0;            // damaged words repaired, not due to a death
};

}  // namespace mpool

#endif  // MPOOL_STATS_H_
