// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "tools/report/charts.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "os/status.h"
#include "tools/report/svg.h"

namespace mpool::tools {
namespace {

constexpr double kWidth = 720;
constexpr double kLeft = 52;
constexpr double kRight = 16;
constexpr double kTop = 42;
constexpr double kPlotHeight = 250;
constexpr double kBottom = kTop + kPlotHeight;

// Returns a number and its percent sign, which stay on one line.
std::string Unbroken(const std::string& text) {
  return absl::StrReplaceAll(text, {{" %", "&nbsp;%"}});
}

std::string Figure(std::string_view title, const Svg& svg,
                   std::string_view caption) {
  return absl::StrCat("<figure>\n<h3>", Unbroken(EscapeHtml(title)),
                      "</h3>\n<div class=\"scroll\">\n", svg.Finish(),
                      "</div>\n<figcaption>", EscapeHtml(caption),
                      "</figcaption>\n</figure>\n");
}

// Compares two percentages: "1.20 points above".
std::string Points(double difference) {
  const std::string size = Fixed(std::fabs(difference), 2);
  if (size == "0.00") return "level with";
  return absl::StrCat(size, difference > 0 ? " points above" : " points below");
}

// Draws a horizontal grid with its labels and returns the scale.
Scale DrawVerticalAxis(Svg& svg, double high, double right,
                       std::string_view label) {
  const std::vector<double> ticks = NiceTicks(std::max(high, 1.0), 6);
  const Scale y = {.low = 0, .high = ticks.back(), .from = kBottom, .to = kTop};
  for (const double tick : ticks) {
    svg.Line(kLeft, y(tick), right, y(tick), tick == 0 ? "axis" : "grid");
    svg.Text(kLeft - 8, y(tick) + 4, Anchor::kEnd, "tick",
             absl::StrCat(Short(tick), " %"));
  }
  svg.Text(2, 12, Anchor::kStart, "axis-name", label);
  return y;
}

// Returns the size that titles describe: the one nearest a tenth of the pages.
size_t TypicalSize(const ReportTrace& trace) {
  const double tenth = static_cast<double>(trace.page_count) / 10;
  size_t best = 0;
  for (size_t i = 1; i < trace.lru.size(); ++i) {
    const auto distance = [&](size_t at) {
      return std::fabs(
          std::log(static_cast<double>(trace.lru[at].frames) / tenth));
    };
    if (distance(i) < distance(best)) best = i;
  }
  return best;
}

std::vector<const Row*> ReplayedAt(const ReportTrace& trace, uint64_t frames) {
  std::vector<const Row*> rows;
  for (const Row& row : trace.replayed) {
    const bool known = std::any_of(
        rows.begin(), rows.end(),
        [&](const Row* other) { return other->policy == row.policy; });
    if (row.frames == frames && !known) rows.push_back(&row);
  }
  return rows;
}

struct Bar {
  std::string name;
  std::string css_class;
  double percent;
};

std::vector<Bar> BarsAt(const ReportTrace& trace, size_t size) {
  std::vector<Bar> bars;
  for (const Row* row : ReplayedAt(trace, trace.lru[size].frames)) {
    bars.push_back({row->policy,
                    absl::StrCat("fill series", bars.size() % 2 + 1),
                    row->hit_percent()});
  }
  bars.push_back({"LRU sim.", "fill reference", trace.lru[size].hit_percent()});
  return bars;
}

constexpr double kBarSlot = 52;
constexpr double kBarGap = 6;
constexpr double kGroupGap = 26;
// A bar below this height is too short for its own label.
constexpr double kLabelHeight = 20;

void DrawBar(Svg& svg, const Bar& bar, const Scale& y, double x, double slot) {
  const double top = y(bar.percent);
  const double width = slot - kBarGap;
  const std::string value = Fixed(bar.percent, 1);
  svg.Rect(x, top, width, kBottom - top, bar.css_class,
           absl::StrCat(bar.name, ": ", Fixed(bar.percent, 2), " % hits"));
  const bool inside = kBottom - top >= kLabelHeight;
  svg.Text(x + width / 2, inside ? top + 15 : top - 4, Anchor::kMiddle,
           inside ? "on-fill" : "value", value);
  svg.Text(x + width / 2, kBottom + 15, Anchor::kMiddle, "tick", bar.name);
}

std::string HitRateTitle(const ReportTrace& trace) {
  const size_t size = TypicalSize(trace);
  const uint64_t frames = trace.lru[size].frames;
  const std::vector<const Row*> replayed = ReplayedAt(trace, frames);
  if (replayed.empty()) return "Hit rate by cache size";
  const Row& row = *replayed.front();
  const double lru = trace.lru[size].hit_percent();
  return absl::StrCat("With ", PercentOfPages(trace, frames),
                      " of the pages in memory, ", row.policy, " hits ",
                      Fixed(row.hit_percent(), 1),
                      " %: ", Points(row.hit_percent() - lru),
                      " LRU, and the best possible is ",
                      Fixed(trace.opt[size].hit_percent(), 1), " %");
}

constexpr int kCurveSamples = 240;

struct CurvePlot {
  Scale x;
  Scale y;
};

void DrawSizeAxis(Svg& svg, const ReportTrace& trace, const Scale& x) {
  const double pages = static_cast<double>(trace.page_count);
  for (const double percent :
       {0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0}) {
    const double frames = percent / 100 * pages;
    if (frames < x.low || frames > x.high * 1.0001) continue;
    svg.Line(x(frames), kTop, x(frames), kBottom, "grid");
    svg.Line(x(frames), kBottom, x(frames), kBottom + 5, "axis");
    svg.Text(x(frames), kBottom + 19, Anchor::kMiddle, "tick",
             absl::StrCat(Short(percent), " %"));
    svg.Text(x(frames), kBottom + 34, Anchor::kMiddle, "tick",
             Grouped(static_cast<uint64_t>(std::llround(frames))));
  }
  svg.Text((x.from + x.to) / 2, kBottom + 56, Anchor::kMiddle, "axis-name",
           "cache size: share of the distinct pages, and pages (log scale)");
}

void DrawCurve(Svg& svg, const ReportTrace& trace, const CurvePlot& plot) {
  std::vector<std::pair<double, double>> points;
  for (int i = 0; i <= kCurveSamples; ++i) {
    const double part = static_cast<double>(i) / kCurveSamples;
    const double frames = plot.x.low * std::pow(plot.x.high / plot.x.low, part);
    const double misses =
        100 *
        trace.curve.MissRatioAt(static_cast<uint64_t>(std::llround(frames)));
    points.emplace_back(plot.x(frames), plot.y(misses));
  }
  svg.Path(points, "line reference-line");
  const auto& [x, y] = points[kCurveSamples / 10];
  svg.Text(x + 8, y - 8, Anchor::kStart, "label reference-text",
           "LRU, every size");
}

void DrawFirstUses(Svg& svg, const ReportTrace& trace, const CurvePlot& plot) {
  const double percent = 100 * static_cast<double>(trace.page_count) /
                         static_cast<double>(trace.references);
  const double y = plot.y(percent);
  svg.Line(kLeft, y, kWidth - kRight, y, "dashed");
  svg.Text(kLeft + 6, y - 6, Anchor::kStart, "label soft-text",
           absl::StrCat(
               "first uses, which no cache avoids: ", Fixed(percent, 1), " %"));
}

void DrawOptimum(Svg& svg, const ReportTrace& trace, const CurvePlot& plot) {
  std::vector<Row> rows = trace.opt;
  std::sort(rows.begin(), rows.end(),
            [](const Row& a, const Row& b) { return a.frames < b.frames; });
  std::vector<std::pair<double, double>> points;
  for (const Row& row : rows) {
    points.emplace_back(plot.x(static_cast<double>(row.frames)),
                        plot.y(100 - row.hit_percent()));
  }
  svg.Path(points, "line optimum-line");
  for (size_t i = 0; i < rows.size(); ++i) {
    const std::string misses = Fixed(100 - rows[i].hit_percent(), 1);
    svg.Circle(points[i].first, points[i].second, 4, "fill optimum",
               absl::StrCat("OPT at ", Grouped(rows[i].frames),
                            " frames: ", misses, " % misses"));
    svg.Text(points[i].first - 7, std::min(points[i].second + 15, kBottom - 5),
             Anchor::kEnd, "label optimum-text",
             absl::StrCat(i == 0 ? "OPT " : "", misses, " %"));
  }
}

// Draws the replayed sizes. Dots are close together, so each label has only the
// value of the first policy. The rightmost label has room for all names.
void DrawReplayed(Svg& svg, const ReportTrace& trace, const CurvePlot& plot) {
  uint64_t largest = 0;
  for (const Row& size : trace.lru) largest = std::max(largest, size.frames);
  for (const Row& size : trace.lru) {
    const std::vector<const Row*> rows = ReplayedAt(trace, size.frames);
    const double x = plot.x(static_cast<double>(size.frames));
    const bool is_last = size.frames == largest;
    const bool to_the_left = x > kWidth - 130;
    // The first policy's dot lies on top.
    for (size_t i = rows.size(); i-- > 0;) {
      const double y = plot.y(100 - rows[i]->hit_percent());
      const std::string misses = Fixed(100 - rows[i]->hit_percent(), 1);
      const std::string series = absl::StrCat("series", i % 2 + 1);
      const std::string named =
          absl::StrCat(rows[i]->policy, " ", misses, " %");
      svg.Circle(x, y, 5, absl::StrCat("fill ", series),
                 absl::StrCat(rows[i]->policy, " at ", Grouped(size.frames),
                              " frames: ", misses, " % misses"));
      if (i > 0 && !is_last) continue;
      svg.Text(to_the_left ? x - 4 : x + 6, y - 9 - 15 * static_cast<double>(i),
               to_the_left ? Anchor::kEnd : Anchor::kStart,
               absl::StrCat("label ", series, "-text"),
               is_last ? named : absl::StrCat(misses, " %"));
    }
  }
}

std::string MissRatioTitle(const ReportTrace& trace) {
  const uint64_t frames = trace.lru[TypicalSize(trace)].frames;
  const std::string now = Fixed(100 * trace.curve.MissRatioAt(frames), 1);
  const std::string then = Fixed(100 * trace.curve.MissRatioAt(2 * frames), 1);
  const std::string sizes =
      absl::StrCat("Twice the cache (", PercentOfPages(trace, frames), " to ",
                   PercentOfPages(trace, 2 * frames), " of the pages) would ");
  if (now == then) {
    return absl::StrCat(sizes, "not help LRU, which misses ", now,
                        " % with both sizes");
  }
  return absl::StrCat(sizes, "lower the misses of LRU from ", now, " % to ",
                      then, " %");
}

std::string HitCostTitle(const HitCost& cost) {
  std::string title =
      absl::StrCat("Getting and putting a page that is in a ", cost.cache,
                   " cache takes mpool ", Fixed(cost.mpool_ns, 0), " ns, ",
                   Fixed(cost.mpool_ns / cost.floor_ns, 1), " x the floor");
  if (cost.libdb_ns.has_value()) {
    absl::StrAppend(&title, "; libdb takes ",
                    Fixed(*cost.libdb_ns / cost.mpool_ns, 1),
                    " x as long as mpool");
  }
  return title;
}

}  // namespace

std::string PercentOfPages(const ReportTrace& trace, uint64_t frames) {
  const double percent =
      100 * static_cast<double>(frames) / static_cast<double>(trace.page_count);
  return absl::StrCat(Short(std::round(percent * 10) / 10), " %");
}

std::string HitRateFigure(const ReportTrace& trace) {
  const size_t sizes = trace.lru.size();
  double group = 0;
  double highest = 0;
  for (size_t i = 0; i < sizes; ++i) {
    const double bars = static_cast<double>(BarsAt(trace, i).size());
    group = std::max(group, bars * kBarSlot + kGroupGap);
    highest = std::max(highest, trace.opt[i].hit_percent());
  }
  const double count = static_cast<double>(sizes);
  const double width = std::max(kWidth, kLeft + kRight + count * group);
  group = (width - kLeft - kRight) / count;
  Svg svg(width, kBottom + 56, HitRateTitle(trace));
  const Scale y = DrawVerticalAxis(svg, highest, width - kRight,
                                   "hit rate: gets that found their page");
  for (size_t i = 0; i < sizes; ++i) {
    const std::vector<Bar> bars = BarsAt(trace, i);
    const double slot =
        std::min(84.0, (group - kGroupGap) / static_cast<double>(bars.size()));
    const double drawn = slot * static_cast<double>(bars.size()) - kBarGap;
    const double middle = kLeft + group * (static_cast<double>(i) + 0.5);
    const double left = middle - drawn / 2;
    for (size_t b = 0; b < bars.size(); ++b) {
      DrawBar(svg, bars[b], y, left + slot * static_cast<double>(b), slot);
    }
    const double opt = trace.opt[i].hit_percent();
    svg.Line(left - 5, y(opt), left + drawn + 5, y(opt), "line optimum-line");
    svg.Text(middle, y(opt) - 6, Anchor::kMiddle, "label optimum-text",
             absl::StrCat("OPT ", Fixed(opt, 1)));
    const uint64_t frames = trace.lru[i].frames;
    svg.Text(middle, kBottom + 37, Anchor::kMiddle, "group-name",
             absl::StrCat(PercentOfPages(trace, frames), " of the pages"));
    svg.Text(middle, kBottom + 52, Anchor::kMiddle, "tick",
             absl::StrCat(Grouped(frames), " frames"));
  }
  return Figure(HitRateTitle(trace), svg,
                "Coloured bars: replayed through mpool. Grey bars: a textbook "
                "LRU, simulated. Lines: Belady's OPT, which knows the future "
                "and which no policy can beat.");
}

std::string MissRatioFigure(const ReportTrace& trace) {
  const double pages = static_cast<double>(trace.page_count);
  double low = std::max(1.0, pages / 1000);
  double high = std::max(pages, 2.0);
  double highest = 0;
  for (size_t i = 0; i < trace.lru.size(); ++i) {
    low = std::min(low, static_cast<double>(trace.lru[i].frames));
    high = std::max(high, static_cast<double>(trace.lru[i].frames));
    highest = std::max(highest, 100 - trace.lru[i].hit_percent());
  }
  highest = std::max(
      highest,
      100 * trace.curve.MissRatioAt(static_cast<uint64_t>(std::llround(low))));
  Svg svg(kWidth, kBottom + 64, MissRatioTitle(trace));
  const CurvePlot plot = {
      .x = {.low = low,
            .high = high,
            .from = kLeft,
            .to = kWidth - kRight - 8,
            .is_log = true},
      .y = DrawVerticalAxis(svg, highest, kWidth - kRight,
                            "miss rate: gets that had to read")};
  DrawSizeAxis(svg, trace, plot.x);
  DrawFirstUses(svg, trace, plot);
  DrawCurve(svg, trace, plot);
  DrawOptimum(svg, trace, plot);
  DrawReplayed(svg, trace, plot);
  return Figure(MissRatioTitle(trace), svg,
                "Grey: the misses of an LRU cache of every size, from the "
                "exact stack distances of the trace. Dots: the measured misses "
                "of mpool, and those of OPT at the same sizes.");
}

std::string HitCostFigure(const std::vector<HitCost>& costs) {
  constexpr double kNames = 118;
  constexpr double kRow = 26;
  constexpr double kGroup = 3 * kRow + 34;
  double slowest = 1;
  for (const HitCost& cost : costs) {
    slowest = std::max(
        {slowest, cost.floor_ns, cost.mpool_ns, cost.libdb_ns.value_or(0)});
  }
  const double plot_bottom = static_cast<double>(costs.size()) * kGroup;
  Svg svg(kWidth, plot_bottom + 46, HitCostTitle(costs.front()));
  const std::vector<double> ticks = NiceTicks(slowest, 6);
  const Scale x = {
      .low = 0, .high = ticks.back(), .from = kNames, .to = kWidth - 76};
  for (const double tick : ticks) {
    svg.Line(x(tick), 6, x(tick), plot_bottom, tick == 0 ? "axis" : "grid");
    svg.Text(x(tick), plot_bottom + 18, Anchor::kMiddle, "tick", Short(tick));
  }
  svg.Text((x.from + x.to) / 2, plot_bottom + 40, Anchor::kMiddle, "axis-name",
           "nanoseconds for one get and put, one thread");
  double y = 8;
  for (const HitCost& cost : costs) {
    svg.Text(4, y + 15, Anchor::kStart, "group-name",
             absl::StrCat(cost.cache, " cache"));
    y += 24;
    const auto draw = [&](const char* name, double ns, const char* css_class) {
      svg.Text(kNames - 8, y + 15, Anchor::kEnd, "tick", name);
      svg.Rect(x(0), y + 2, std::max(1.0, x(ns) - x(0)), kRow - 8, css_class,
               absl::StrCat(name, ": ", Fixed(ns, 1), " ns"));
      svg.Text(x(ns) + 6, y + 16, Anchor::kStart, "value",
               absl::StrCat(Fixed(ns, 0), " ns"));
      y += kRow;
    };
    draw("floor", cost.floor_ns, "fill optimum");
    draw("mpool", cost.mpool_ns, "fill series1");
    if (cost.libdb_ns.has_value()) {
      draw("libdb", *cost.libdb_ns, "fill reference");
    }
    y += 10;
  }
  return Figure(HitCostTitle(costs.front()), svg,
                "Floor: the same hash lookup and page touch without holding "
                "the page. libdb: Berkeley DB's own pool through its own API, "
                "measured in the same run.");
}

}  // namespace mpool::tools
