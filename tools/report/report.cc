// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "tools/report/report.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <set>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "mpool/version.h"
#include "nlohmann/json.hpp"
#include "tools/report/charts.h"
#include "tools/report/kill_section.h"
#include "tools/report/svg.h"
#include "tools/trace/simulator.h"

namespace mpool::tools {
namespace {

// Text has a contrast of at least 4.5 to its ground, and shapes have one of 3.
constexpr const char* kStyle = R"css(
:root { color-scheme: light dark;
  --ground: #fbfbf9; --panel: #ffffff; --ink: #1b1f24; --soft: #57606a;
  --rule: #d5d9de; --grid: #e9ebee; --on-fill: #ffffff;
  --series1: #1f5fa8; --series2: #0b7567; --reference: #666f7a;
  --optimum: #a8480a; --good: #17693a; --bad: #b3261e; }
@media (prefers-color-scheme: dark) { :root {
  --ground: #14171b; --panel: #1b1f25; --ink: #e6e8eb; --soft: #a7afb9;
  --rule: #363c45; --grid: #282d34; --on-fill: #10141a;
  --series1: #6fb1f7; --series2: #4ec5b2; --reference: #949da8;
  --optimum: #f0a468; --good: #6fd08c; --bad: #ff8f85; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans",
    "DejaVu Sans", sans-serif; }
main { max-width: 62rem; margin: 0 auto; padding: 2.5rem 1.25rem 4rem; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 .6rem;
  letter-spacing: -.01em; text-wrap: balance; }
h2 { font-size: 1.35rem; margin: 3.2rem 0 .2rem; }
h3 { font-size: 1.02rem; line-height: 1.4; font-weight: 600; margin: 0 0 .8rem;
  text-wrap: balance; }
p { margin: 0 0 .8rem; max-width: 46rem; }
.soft, figcaption { color: var(--soft); font-size: .92rem; }
.result { display: inline-block; margin: .4rem 0 1rem; padding: .35rem .8rem;
  border: 1px solid currentColor; border-radius: .4rem; font-weight: 600; }
.good { color: var(--good); } .bad { color: var(--bad); }
nav ul { list-style: none; display: flex; flex-wrap: wrap; gap: .4rem 1.2rem;
  padding: 0; margin: .6rem 0 0; }
a { color: var(--series1); text-underline-offset: .18em; }
figure { margin: 1.2rem 0; padding: 1.2rem 1.3rem 1rem;
  background: var(--panel); border: 1px solid var(--rule);
  border-radius: .6rem; }
figcaption { margin-top: .6rem; max-width: 46rem; }
.scroll { overflow-x: auto; }
svg { display: block; width: 100%; height: auto; }
svg text { font-size: 12px; fill: var(--soft); }
svg .tick { font-variant-numeric: tabular-nums; }
svg .axis-name { font-size: 12px; }
svg .group-name { font-size: 13px; font-weight: 600; fill: var(--ink); }
svg .value, svg .label { font-weight: 600; fill: var(--ink);
  paint-order: stroke; stroke: var(--panel); stroke-width: 4px;
  stroke-linejoin: round; font-variant-numeric: tabular-nums; }
svg .on-fill { fill: var(--on-fill); font-weight: 600;
  font-variant-numeric: tabular-nums; }
svg .grid { stroke: var(--grid); } svg .axis { stroke: var(--soft); }
svg .dashed { stroke: var(--soft); stroke-dasharray: 3 4; }
svg .line { fill: none; stroke-width: 2.5; stroke-linejoin: round; }
svg .series1 { fill: var(--series1); } svg .series2 { fill: var(--series2); }
svg .reference { fill: var(--reference); }
svg .optimum { fill: var(--optimum); }
svg .reference-line { stroke: var(--reference); }
svg .optimum-line { stroke: var(--optimum); }
svg .series1-text { fill: var(--series1); }
svg .series2-text { fill: var(--series2); }
svg .reference-text { fill: var(--reference); }
svg .optimum-text { fill: var(--optimum); }
svg .soft-text { fill: var(--soft); font-weight: 400; }
table { border-collapse: collapse; width: 100%; font-size: .9rem;
  font-variant-numeric: tabular-nums; }
th, td { padding: .32rem .6rem; text-align: right; white-space: nowrap;
  border-bottom: 1px solid var(--grid); }
th { color: var(--soft); font-weight: 600; border-color: var(--rule);
  vertical-align: bottom; white-space: normal; line-height: 1.25; }
th.name, td.name { text-align: left; }
footer { margin-top: 3.5rem; padding-top: 1rem;
  border-top: 1px solid var(--rule); }
)css";

struct Totals {
  uint64_t runs = 0;
  uint64_t gets = 0;
  uint64_t wrong_pages = 0;
  bool verified = true;
};

Totals TotalsOf(const Report& report) {
  Totals totals;
  for (const ReportTrace& trace : report.traces) {
    for (const Row& row : trace.replayed) {
      ++totals.runs;
      totals.gets += row.references;
      totals.wrong_pages += row.wrong_pages;
      totals.verified = totals.verified && row.verified;
    }
  }
  for (const Row& row : report.kills) totals.wrong_pages += row.wrong_pages;
  return totals;
}

std::string Counted(uint64_t count, const char* what) {
  return absl::StrCat(Grouped(count), " ", what, count == 1 ? "" : "s");
}

// Describes the run by its first row, because a replay has one setting.
std::string Setting(const Report& report) {
  for (const ReportTrace& trace : report.traces) {
    if (trace.replayed.empty()) continue;
    const Row& row = trace.replayed.front();
    return absl::StrCat(
        Grouped(row.processes),
        row.processes == 1 ? " process with " : " processes with ",
        Counted(row.threads, "thread"), row.processes == 1 ? "" : " each",
        ", on pages of ", Grouped(row.page_size), " bytes, shared memory from ",
        row.backing, ".");
  }
  return "";
}

std::string Verdict(const Report& report, const Totals& totals) {
  if (!report.findings.empty() || totals.wrong_pages > 0) {
    std::string html = absl::StrCat(
        "<p class=\"result bad\">Failed: ",
        Counted(totals.wrong_pages, "wrong page"), ", ",
        Counted(report.findings.size(), "finding"), "</p>\n<ul>\n");
    for (const std::string& finding : report.findings) {
      absl::StrAppend(&html, "<li>", EscapeHtml(finding), "</li>\n");
    }
    return html + "</ul>\n";
  }
  if (!totals.verified) {
    return "<p class=\"result\">Contents were not checked (run the replay "
           "with --verify)</p>\n";
  }
  return absl::StrCat(
      "<p class=\"result good\">Verified: 0 wrong pages</p>\n"
      "<p class=\"soft\">Every page describes itself: its file, its number, "
      "its version and a checksum. Each of the ",
      Grouped(totals.gets),
      " gets checked that it saw the latest version, and after the last close "
      "every page was read from disk, without the pool, and checked "
      "again.</p>\n");
}

std::string Headline(const Report& report, const Totals& totals) {
  const std::string what =
      absl::StrCat(Counted(report.traces.size(), "trace"), " in ",
                   Counted(totals.runs, "run"), ": ");
  if (totals.wrong_pages > 0 || !report.findings.empty()) {
    return absl::StrCat(what, "errors were found");
  }
  return absl::StrCat(what, Grouped(totals.gets), " gets",
                      totals.verified ? ", no wrong page" : "");
}

void AppendHead(const Report& report, std::string& html) {
  const Totals totals = TotalsOf(report);
  absl::StrAppend(&html, "<!doctype html>\n<html lang=\"en\">\n<head>\n",
                  "<meta charset=\"utf-8\">\n<meta name=\"viewport\" "
                  "content=\"width=device-width, initial-scale=1\">\n",
                  "<title>mpool replay</title>\n<style>", kStyle,
                  "</style>\n</head>\n<body>\n<main>\n<header>\n");
  absl::StrAppend(
      &html,
      "<p class=\"soft\">mpool " MPOOL_VERSION_STRING " replay</p>\n<h1>",
      EscapeHtml(Headline(report, totals)), "</h1>\n<p>",
      EscapeHtml(Setting(report)), "</p>\n", Verdict(report, totals));
  absl::StrAppend(&html, "<nav aria-label=\"Traces\"><ul>\n");
  for (size_t i = 0; i < report.traces.size(); ++i) {
    absl::StrAppend(&html, "<li><a href=\"#trace", i, "\">",
                    EscapeHtml(report.traces[i].name), "</a></li>\n");
  }
  if (!report.kills.empty()) {
    absl::StrAppend(&html,
                    "<li><a href=\"#kills\">killed processes</a></li>\n");
  }
  if (!report.hit_costs.empty()) {
    absl::StrAppend(&html,
                    "<li><a href=\"#hit-cost\">cost of a hit</a></li>\n");
  }
  absl::StrAppend(&html, "</ul></nav>\n</header>\n");
}

size_t SizeIndex(const ReportTrace& trace, uint64_t frames) {
  size_t index = 0;
  while (trace.lru[index].frames != frames) ++index;
  return index;
}

void AppendTable(const ReportTrace& trace, std::string& html) {
  absl::StrAppend(
      &html,
      "<figure>\n<h3>The same numbers</h3>\n<div class=\"scroll\"><table>\n"
      "<thead><tr><th class=\"name\">policy</th><th>of the pages</th>"
      "<th>frames</th><th>hits, %</th><th>LRU, %</th><th>OPT, %</th>"
      "<th>pages read</th><th>pages written</th><th>wrong pages</th>"
      "<th>seconds</th></tr></thead>\n<tbody>\n");
  for (const Row& row : trace.replayed) {
    const size_t size = SizeIndex(trace, row.frames);
    absl::StrAppend(&html, "<tr><td class=\"name\">", EscapeHtml(row.policy),
                    "</td><td>", PercentOfPages(trace, row.frames), "</td><td>",
                    Grouped(row.frames), "</td><td>",
                    Fixed(row.hit_percent(), 2));
    absl::StrAppend(&html, "</td><td>", Fixed(trace.lru[size].hit_percent(), 2),
                    "</td><td>", Fixed(trace.opt[size].hit_percent(), 2),
                    "</td><td>", Grouped(row.pages_read), "</td><td>",
                    Grouped(row.pages_written));
    absl::StrAppend(&html, "</td><td>",
                    row.verified ? Grouped(row.wrong_pages) : "not checked",
                    "</td><td>", Fixed(row.seconds, 2), "</td></tr>\n");
  }
  absl::StrAppend(&html, "</tbody>\n</table></div>\n</figure>\n");
}

void AppendTrace(const ReportTrace& trace, size_t index, std::string& html) {
  absl::StrAppend(&html, "<section id=\"trace", index, "\">\n<h2>",
                  EscapeHtml(trace.name), "</h2>\n<p class=\"soft\">",
                  Grouped(trace.references), " references, ",
                  trace.dirty_count == 0 ? "none" : Grouped(trace.dirty_count),
                  " of them marked as writes, to ", Grouped(trace.page_count),
                  " distinct pages</p>\n");
  // An interrupted replay has traces without runs.
  if (!trace.replayed.empty()) {
    absl::StrAppend(&html, HitRateFigure(trace), MissRatioFigure(trace));
    AppendTable(trace, html);
  }
  absl::StrAppend(&html, "</section>\n");
}

}  // namespace

ReportTrace MakeReportTrace(const Trace& trace, std::vector<Row> replayed) {
  ReportTrace report = {.name = trace.name,
                        .references = trace.pages.size(),
                        .page_count = trace.page_count,
                        .dirty_count = trace.dirty_count,
                        .replayed = std::move(replayed),
                        .lru = {},
                        .opt = {},
                        .curve = MissRatioCurve(trace.pages)};
  std::set<uint64_t> seen;
  for (const Row& row : report.replayed) {
    if (!seen.insert(row.frames).second) continue;
    Row simulated;
    simulated.frames = row.frames;
    simulated.references = trace.pages.size();
    simulated.hits = LruHits(trace.pages, row.frames);
    report.lru.push_back(simulated);
    simulated.hits = OptHits(trace.pages, row.frames);
    report.opt.push_back(simulated);
  }
  return report;
}

absl::StatusOr<std::vector<HitCost>> ReadHitCosts(const std::string& path) {
  std::ifstream file(path);
  if (!file) {
    return absl::NotFoundError(
        absl::StrCat("read benchmark: ", path, ": the file cannot be opened"));
  }
  const auto json =
      nlohmann::json::parse(file, nullptr, /*allow_exceptions=*/false);
  std::vector<HitCost> costs;
  for (const char* const cache : {"40", "400"}) {
    const std::string prefix = absl::StrCat("hit.", cache, "mb.1t.");
    const auto number = [&](const char* name) -> std::optional<double> {
      if (!json.is_object()) return std::nullopt;
      const auto found = json.find(prefix + name);
      if (found == json.end() || !found->is_number()) return std::nullopt;
      const double value = found->get<double>();
      return value > 0 ? std::optional<double>(value) : std::nullopt;
    };
    const std::optional<double> mpool = number("mpool_ns");
    const std::optional<double> floor = number("floor_ns");
    if (!mpool.has_value() || !floor.has_value()) continue;
    costs.push_back(
        {absl::StrCat(cache, " MB"), *floor, *mpool, number("libdb_ns")});
  }
  if (costs.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("read benchmark: ", path,
                     ": the file is not a JSON object with "
                     "\"hit.40mb.1t.mpool_ns\" and \"hit.40mb.1t.floor_ns\""));
  }
  return costs;
}

std::string RenderReport(const Report& report) {
  std::string html;
  AppendHead(report, html);
  for (size_t i = 0; i < report.traces.size(); ++i) {
    AppendTrace(report.traces[i], i, html);
  }
  if (!report.kills.empty()) html += KillSection(report.kills);
  if (!report.hit_costs.empty()) {
    absl::StrAppend(&html,
                    "<section id=\"hit-cost\">\n<h2>Cost of a hit</h2>\n",
                    HitCostFigure(report.hit_costs), "</section>\n");
  }
  absl::StrAppend(
      &html, "<footer class=\"soft\"><p>LRU, OPT and the miss-ratio curve are ",
      "simulated from the trace and share no code with the pool. OPT is ",
      "Belady's MIN (1966), the curve is Mattson's (1970).</p></footer>\n",
      "</main>\n</body>\n</html>\n");
  return html;
}

}  // namespace mpool::tools
