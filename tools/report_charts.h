// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// report_charts.h - the charts of a report, each a <figure> whose title says
// what it shows.

#ifndef MPOOL_TOOLS_REPORT_CHARTS_H_
#define MPOOL_TOOLS_REPORT_CHARTS_H_

#include <string>
#include <vector>

#include "tools/report.h"

namespace mpool::tools {

// Share of the trace's distinct pages that `frames` hold: "10 %".
std::string PercentOfPages(const ReportTrace& trace, uint64_t frames);

// Bars by cache size: the policies that were replayed, LRU, and OPT above.
std::string HitRateFigure(const ReportTrace& trace);

// Misses of LRU at every cache size, with what was measured beside it.
std::string MissRatioFigure(const ReportTrace& trace);

// Cost of a hit: floor, mpool, libdb.
std::string HitCostFigure(const std::vector<HitCost>& costs);

}  // namespace mpool::tools

#endif  // MPOOL_TOOLS_REPORT_CHARTS_H_
