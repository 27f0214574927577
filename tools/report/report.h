// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// report.h - the results of a replay as one self-contained HTML page.

#ifndef MPOOL_TOOLS_REPORT_REPORT_H_
#define MPOOL_TOOLS_REPORT_REPORT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "tools/report/rows.h"
#include "tools/trace/miss_ratio.h"
#include "tools/trace/trace.h"

namespace mpool::tools {

struct ReportTrace {
  std::string name;
  uint64_t references = 0;
  uint64_t page_count = 0;
  uint64_t dirty_count = 0;
  std::vector<Row> replayed;
  // Simulated at every replayed size, each size once, in the order of replay.
  std::vector<Row> lru;
  std::vector<Row> opt;
  MissRatioCurve curve;
};

// Returns the results with LRU, OPT and the curve simulated.
ReportTrace MakeReportTrace(const Trace& trace, std::vector<Row> replayed);

// The cost of one get and put of a resident page.
struct HitCost {
  std::string cache;  // "40 MB"
  double floor_ns = 0;
  double mpool_ns = 0;
  std::optional<double> libdb_ns;
};

// Reads the benchmark's JSON, one object of numbers by name. The names are
// "hit.40mb.1t.mpool_ns", "...floor_ns", "...libdb_ns", and with 400mb. Returns
// NotFound if the file cannot be opened, and InvalidArgument if it lacks
// mpool_ns or floor_ns.
absl::StatusOr<std::vector<HitCost>> ReadHitCosts(const std::string& path);

struct Report {
  std::vector<ReportTrace> traces;
  std::vector<Row> kills;             // kill scenes; may be empty
  std::vector<HitCost> hit_costs;     // empty: no chart of hit costs
  std::vector<std::string> findings;  // errors of the replays
};

// Returns the report as HTML.
std::string RenderReport(const Report& report);

}  // namespace mpool::tools

#endif  // MPOOL_TOOLS_REPORT_REPORT_H_
