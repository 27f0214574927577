// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "tools/report/report.h"

#include <random>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tools/report/svg.h"
#include "tools/trace/test_dir.h"

namespace mpool::tools {
namespace {

using testing::HasSubstr;
using testing::Not;

size_t Count(const std::string& text, const std::string& what) {
  size_t count = 0;
  for (size_t at = text.find(what); at != std::string::npos;
       at = text.find(what, at + 1)) {
    ++count;
  }
  return count;
}

// Returns the first element that is not closed in order; empty if all are.
std::string UnbalancedTag(const std::string& html) {
  std::vector<std::string> open;
  for (size_t at = html.find('<'); at != std::string::npos;
       at = html.find('<', at + 1)) {
    const size_t end = html.find('>', at);
    if (end == std::string::npos) return "unclosed tag";
    const std::string tag = html.substr(at + 1, end - at - 1);
    if (tag.empty() || tag[0] == '!' || tag.back() == '/') continue;
    const std::string name = tag.substr(0, tag.find_first_of(" \n"));
    if (name == "meta") continue;
    if (name[0] != '/') {
      open.push_back(name);
    } else if (open.empty() || "/" + open.back() != name) {
      return name;
    } else {
      open.pop_back();
    }
  }
  return open.empty() ? "" : open.back();
}

Trace SampleTrace(const std::string& name) {
  Trace trace;
  trace.name = name;
  trace.page_count = 1000;
  std::mt19937 random(3);
  for (uint32_t page = 0; page < 1000; ++page) trace.pages.push_back(page);
  for (int i = 0; i < 9000; ++i) {
    trace.pages.push_back(
        static_cast<uint32_t>(random() % (1 + random() % 1000)));
  }
  trace.dirties.resize(trace.pages.size(), false);
  return trace;
}

Row ReplayedRow(const Trace& trace, const std::string& policy,
                uint64_t frames) {
  Row row;
  row.trace = trace.name;
  row.policy = policy;
  row.frames = frames;
  row.references = trace.pages.size();
  row.hits = 4000 + frames;
  row.misses = row.references - row.hits;
  row.page_size = 4096;
  row.backing = "posix-shm";
  row.verified = true;
  return row;
}

Report SampleReport() {
  Report report;
  for (const char* name : {"first", "second"}) {
    const Trace trace = SampleTrace(name);
    report.traces.push_back(MakeReportTrace(
        trace,
        {ReplayedRow(trace, "clock", 64), ReplayedRow(trace, "clock", 100),
         ReplayedRow(trace, "lru", 64), ReplayedRow(trace, "lru", 100)}));
  }
  report.hit_costs = {{"40 MB", 40, 60, 500}, {"400 MB", 80, 110, {}}};
  return report;
}

TEST(ReportTest, EveryElementIsClosed) {
  EXPECT_EQ(UnbalancedTag(RenderReport(SampleReport())), "");
}

TEST(ReportTest, EveryTraceHasChartsAndATable) {
  const std::string html = RenderReport(SampleReport());
  EXPECT_EQ(Count(html, "<svg"), 5u);
  EXPECT_EQ(Count(html, "<table>"), 2u);
  EXPECT_EQ(Count(html, "hit rate: gets that found their page</text>"), 2u);
  EXPECT_EQ(Count(html, "miss rate: gets that had to read</text>"), 2u);
  EXPECT_EQ(Count(html, "nanoseconds for one get and put"), 1u);
  EXPECT_THAT(html, HasSubstr("<h2>first</h2>"));
  EXPECT_THAT(html, HasSubstr("<h2>second</h2>"));
}

TEST(ReportTest, ReportHasNoExternalReferences) {
  const std::string html = RenderReport(SampleReport());
  for (const char* reference : {"http", "//", "src=", "url(", "@import",
                                "<link", "<script", "<img", "<iframe"}) {
    EXPECT_THAT(html, Not(HasSubstr(reference)));
  }
  EXPECT_THAT(html, HasSubstr("prefers-color-scheme: dark"));
}

TEST(ReportTest, TableHasReplayedAndSimulatedHits) {
  const Trace trace = SampleTrace("t");
  Row row = ReplayedRow(trace, "clock", 100);
  row.pages_read = 1234567;
  Report report;
  report.traces.push_back(MakeReportTrace(trace, {row}));
  const ReportTrace& made = report.traces.front();
  const std::string html = RenderReport(report);
  EXPECT_THAT(html, HasSubstr("<td>41.00</td>"));
  EXPECT_THAT(html, HasSubstr("<td>1,234,567</td>"));
  EXPECT_THAT(
      html, HasSubstr("<td>" + Fixed(made.lru[0].hit_percent(), 2) + "</td>"));
  EXPECT_THAT(
      html, HasSubstr("<td>" + Fixed(made.opt[0].hit_percent(), 2) + "</td>"));
  EXPECT_EQ(made.lru[0].hits, made.curve.HitsAt(100));
}

TEST(ReportTest, VerifiedRunIsReportedAsVerified) {
  const std::string html = RenderReport(SampleReport());
  EXPECT_THAT(html, HasSubstr("Verified: 0 wrong pages"));
  EXPECT_THAT(html, HasSubstr("80,000 gets, no wrong page"));
}

TEST(ReportTest, UnverifiedRunIsReportedAsNotChecked) {
  Report report = SampleReport();
  report.traces[1].replayed[0].verified = false;
  const std::string html = RenderReport(report);
  EXPECT_THAT(html, Not(HasSubstr("Verified")));
  EXPECT_THAT(html, Not(HasSubstr("no wrong page")));
  EXPECT_THAT(html, HasSubstr("not checked"));
}

TEST(ReportTest, FindingsReplaceTheVerdict) {
  Report report = SampleReport();
  report.findings = {"process 5 was killed"};
  report.traces[0].replayed[0].wrong_pages = 3;
  const std::string html = RenderReport(report);
  EXPECT_THAT(html, HasSubstr("errors were found"));
  EXPECT_THAT(html, HasSubstr("Failed: 3 wrong pages, 1 finding"));
  EXPECT_THAT(html, HasSubstr("<li>process 5 was killed</li>"));
  EXPECT_THAT(html, Not(HasSubstr("Verified")));
}

TEST(ReportTest, NamesAreEscaped) {
  const Trace trace = SampleTrace("<b>&\"x\"");
  Report report;
  report.traces.push_back(
      MakeReportTrace(trace, {ReplayedRow(trace, "clock", 64)}));
  const std::string html = RenderReport(report);
  EXPECT_THAT(html, HasSubstr("<h2>&lt;b&gt;&amp;&quot;x&quot;</h2>"));
  EXPECT_EQ(UnbalancedTag(html), "");
}

TEST(ReportTest, TraceWithoutRunsHasNoCharts) {
  Report report;
  report.traces.push_back(MakeReportTrace(SampleTrace("t"), {}));
  report.findings = {"interrupted"};
  const std::string html = RenderReport(report);
  EXPECT_EQ(UnbalancedTag(html), "");
  EXPECT_THAT(html, Not(HasSubstr("<svg")));
}

TEST(HitCostTest, BenchmarkJsonGivesTheNumbers) {
  const TestDir dir;
  const absl::StatusOr<std::vector<HitCost>> costs = ReadHitCosts(dir.Write(
      "b.json",
      "{\"hit.40mb.1t.mpool_ns\": 60.5, \"hit.40mb.1t.floor_ns\": 40,"
      " \"hit.40mb.1t.libdb_ns\": 500, \"hit.400mb.1t.mpool_ns\": 110,"
      " \"hit.400mb.1t.floor_ns\": 80, \"other\": \"x\"}"));
  ASSERT_TRUE(costs.ok()) << costs.status();
  ASSERT_EQ(costs->size(), 2u);
  EXPECT_EQ(costs->at(0).cache, "40 MB");
  EXPECT_DOUBLE_EQ(costs->at(0).mpool_ns, 60.5);
  EXPECT_EQ(costs->at(0).libdb_ns, 500.0);
  EXPECT_FALSE(costs->at(1).libdb_ns.has_value());
}

TEST(HitCostTest, FilesWithoutTheNumbersAreRefused) {
  const TestDir dir;
  for (const char* text : {"", "[]", "{}", "{\"hit.40mb.1t.mpool_ns\": 5}",
                           "{\"hit.40mb.1t.mpool_ns\": \"x\", "
                           "\"hit.40mb.1t.floor_ns\": 0}"}) {
    EXPECT_FALSE(ReadHitCosts(dir.Write("b.json", text)).ok()) << text;
  }
  EXPECT_TRUE(absl::IsNotFound(ReadHitCosts(dir.File("none.json")).status()));
}

}  // namespace
}  // namespace mpool::tools
