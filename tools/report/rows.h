// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// rows.h - one trace at one cache size under one policy, replayed or
// simulated, and the tables made of such rows.

#ifndef MPOOL_TOOLS_REPORT_ROWS_H_
#define MPOOL_TOOLS_REPORT_ROWS_H_

#include <cstdint>
#include <span>
#include <string>

#include "tools/report/table.h"

namespace mpool::tools {

struct Row {
  std::string trace;
  std::string policy;
  uint64_t frames = 0;
  uint64_t processes = 1;
  uint64_t threads = 1;  // of each process
  uint64_t references = 0;
  uint64_t hits = 0;
  uint64_t misses = 0;
  uint64_t pages_read = 0;
  uint64_t pages_written = 0;
  uint64_t wrong_pages = 0;
  // Only in a replay:
  uint64_t page_size = 0;
  uint64_t writes = 0;
  double seconds = 0;
  std::string backing;
  bool verified = false;
  // Only in a kill scene:
  uint64_t processes_killed = 0;
  uint64_t killed_in_update = 0;
  uint64_t pages_checked = 0;
  uint64_t lost_updates = 0;
  double longest_stall_ms = 0;

  double hit_percent() const {
    if (references == 0) return 0;
    return 100 * static_cast<double>(hits) / static_cast<double>(references);
  }
};

Table SimulateTable(std::span<const Row> rows);
Table ReplayTable(std::span<const Row> rows);
// The outcome of kill scenes.
Table KillTable(std::span<const Row> rows);

}  // namespace mpool::tools

#endif  // MPOOL_TOOLS_REPORT_ROWS_H_
