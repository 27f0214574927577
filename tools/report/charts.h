// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// charts.h - the charts of a report. Each is a <figure> with a title
// that states the result.

#ifndef MPOOL_TOOLS_REPORT_CHARTS_H_
#define MPOOL_TOOLS_REPORT_CHARTS_H_

#include <string>
#include <vector>

#include "tools/report/report.h"

namespace mpool::tools {

// Returns the share of the trace's distinct pages that `frames` hold: "10 %".
std::string PercentOfPages(const ReportTrace& trace, uint64_t frames);

// Returns bars by cache size: the replayed policies, LRU, and OPT above.
std::string HitRateFigure(const ReportTrace& trace);

// Returns the misses of LRU at every cache size, beside the measured ones.
std::string MissRatioFigure(const ReportTrace& trace);

// Returns the cost of a hit: floor, mpool, libdb.
std::string HitCostFigure(const std::vector<HitCost>& costs);

}  // namespace mpool::tools

#endif  // MPOOL_TOOLS_REPORT_CHARTS_H_
