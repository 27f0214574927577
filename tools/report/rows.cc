// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "tools/report/rows.h"

namespace mpool::tools {
namespace {

// Returns the table with the columns of replays and simulations. A simulation
// leaves some of them to JSON, because it has no values for them.
Table CommonTable(std::span<const Row> rows, bool is_replay) {
  Table table;
  table.columns = {{"trace"},
                   {"policy"},
                   {"frames"},
                   {"processes", !is_replay},
                   {"threads", !is_replay},
                   {"references"},
                   {"hits"},
                   {"misses"},
                   {"hit_percent"},
                   {"pages_read", !is_replay},
                   {"pages_written", !is_replay},
                   {"wrong_pages", !is_replay}};
  for (const Row& row : rows) {
    table.rows.push_back({row.trace, row.policy, row.frames, row.processes,
                          row.threads, row.references, row.hits, row.misses,
                          row.hit_percent(), row.pages_read, row.pages_written,
                          row.wrong_pages});
  }
  return table;
}

}  // namespace

Table SimulateTable(std::span<const Row> rows) {
  return CommonTable(rows, false);
}

Table ReplayTable(std::span<const Row> rows) {
  Table table = CommonTable(rows, true);
  table.columns.push_back({"seconds"});
  table.columns.push_back({"page_size", true});
  table.columns.push_back({"writes", true});
  table.columns.push_back({"backing", true});
  table.columns.push_back({"verified", true});
  table.columns.push_back({"processes_killed", true});
  table.columns.push_back({"killed_in_update", true});
  table.columns.push_back({"pages_checked", true});
  table.columns.push_back({"lost_updates", true});
  table.columns.push_back({"longest_stall_ms", true});
  for (size_t i = 0; i < rows.size(); ++i) {
    const Row& row = rows[i];
    table.rows[i].insert(
        table.rows[i].end(),
        {row.seconds, row.page_size, row.writes, row.backing, row.verified,
         row.processes_killed, row.killed_in_update, row.pages_checked,
         row.lost_updates, row.longest_stall_ms});
  }
  return table;
}

Table KillTable(std::span<const Row> rows) {
  Table table;
  table.columns = {{"trace"},         {"processes"},
                   {"killed"},        {"killed_in_update"},
                   {"writes"},        {"pages_checked"},
                   {"wrong_pages"},   {"lost_updates"},
                   {"longest_stall_ms"}};
  for (const Row& row : rows) {
    table.rows.push_back({row.trace, row.processes, row.processes_killed,
                          row.killed_in_update, row.writes, row.pages_checked,
                          row.wrong_pages, row.lost_updates,
                          row.longest_stall_ms});
  }
  return table;
}

}  // namespace mpool::tools
