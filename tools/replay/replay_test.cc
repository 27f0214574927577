// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "tools/replay/replay.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mpool/mpool.h"
#include "nlohmann/json.hpp"
#include "tools/command.h"
#include "tools/replay/children.h"
#include "tools/report/names.h"
#include "tools/trace/simulator.h"
#include "tools/trace/test_dir.h"

namespace mpool::tools {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr uint64_t kPages = 400;

// ThreadSanitizer sees one process. Thread A reads a page and puts it. A writer
// in another process finds A's ledger entry empty and clears the hint. Thread B
// of A's process then gets the page for update without a scan of A's ledger,
// because the hint is clear. A happens before B only through the other process,
// so ThreadSanitizer reports a race.
#if defined(__SANITIZE_THREAD__)
constexpr uint32_t kThreadsOfEachProcess = 1;
#else
constexpr uint32_t kThreadsOfEachProcess = 2;
#endif

// Half of the references are to a tenth of the pages; a fifth of them write.
Trace SampleTrace(uint64_t references) {
  Trace trace;
  trace.name = "sample";
  trace.page_count = kPages;
  std::mt19937 random(5);
  for (uint64_t i = 0; i < references; ++i) {
    const uint64_t range = random() % 2 == 0 ? kPages / 10 : kPages;
    trace.pages.push_back(static_cast<uint32_t>(random() % range));
    trace.dirties.push_back(random() % 5 == 0);
  }
  return trace;
}

class ReplayTest : public testing::Test {
 protected:
  ReplayTest() : progress_(Terminal{}, silence_) {
    home_ = *ReplayHome::Make(dir_.path());
  }

  ReplayResult Replay(const Trace& trace, const ReplayOptions& options,
                      Policy policy, uint64_t frames) {
    absl::StatusOr<std::unique_ptr<TraceReplay>> replay =
        TraceReplay::Make(trace, *home_, options);
    EXPECT_TRUE(replay.ok()) << replay.status();
    const absl::StatusOr<ReplayResult> result =
        (*replay)->Run(policy, frames, progress_);
    EXPECT_TRUE(result.ok()) << result.status();
    return result.ok() ? *result : ReplayResult();
  }

  void ExpectWhole(const Trace& trace, const ReplayResult& result) {
    EXPECT_THAT(result.findings, IsEmpty());
    EXPECT_EQ(result.gets, trace.pages.size());
    EXPECT_EQ(result.hits + result.misses, trace.pages.size());
    EXPECT_EQ(result.wrong_pages, 0u);
    EXPECT_GT(result.pages_written, 0u);
    EXPECT_GE(result.pages_read, kPages);
  }

  TestDir dir_;
  std::unique_ptr<ReplayHome> home_;
  std::ostringstream silence_;
  Progress progress_;
};

TEST_F(ReplayTest, OneThreadHitsWhatTheSimulatorHits) {
  Trace trace = SampleTrace(20000);
  trace.dirties.assign(trace.dirties.size(), false);
  const ReplayResult result = Replay(trace, {}, Policy::kLru, 64);
  EXPECT_THAT(result.findings, IsEmpty());
  EXPECT_EQ(result.hits, LruHits(trace.pages, 64));
  EXPECT_EQ(Replay(trace, {}, Policy::kClock, 64).hits,
            ClockHits(trace.pages, 64));
  EXPECT_EQ(result.writes, 0u);
  EXPECT_EQ(result.pages_written, 0u);
}

TEST_F(ReplayTest, ThreadsOfOneProcessSeeOnlyRightPages) {
  const Trace trace = SampleTrace(20000);
  for (const std::string_view backing : kBackingNames) {
    SCOPED_TRACE(backing);
    const ReplayResult result = Replay(
        trace,
        {.threads = 3, .verify = true, .backing = BackingOf(backing)},
        Policy::kClock, 64);
    ExpectWhole(trace, result);
  }
}

TEST_F(ReplayTest, ProcessesSeeOnlyRightPages) {
  const Trace trace = SampleTrace(20000);
  for (const Backing backing : {Backing::kPosixShm, Backing::kFile,
                                Backing::kSysV}) {
    const ReplayResult result = Replay(trace,
                                       {.processes = 3,
                                        .threads = kThreadsOfEachProcess,
                                        .verify = true,
                                        .backing = backing},
                                       Policy::kClock, 64);
    ExpectWhole(trace, result);
  }
}

TEST_F(ReplayTest, RunsOfOneTraceFollowOneAnother) {
  const Trace trace = SampleTrace(5000);
  absl::StatusOr<std::unique_ptr<TraceReplay>> replay =
      TraceReplay::Make(trace, *home_, {.processes = 2, .verify = true});
  ASSERT_TRUE(replay.ok()) << replay.status();
  for (const uint64_t frames : {16u, 64u, 400u}) {
    const absl::StatusOr<ReplayResult> result =
        (*replay)->Run(Policy::kClock, frames, progress_);
    ASSERT_TRUE(result.ok()) << result.status();
    ExpectWhole(trace, *result);
  }
}

TEST_F(ReplayTest, PageThatIsWrongOnDiskIsFoundAndTheNextRunIsClean) {
  const Trace trace = SampleTrace(2000);
  absl::StatusOr<std::unique_ptr<TraceReplay>> replay =
      TraceReplay::Make(trace, *home_, {.verify = true});
  ASSERT_TRUE(replay.ok()) << replay.status();
  std::fstream(dir_.File("sample.db"),
               std::ios::in | std::ios::out | std::ios::binary)
      .write("ruin", 4);
  const absl::StatusOr<ReplayResult> ruined =
      (*replay)->Run(Policy::kClock, 64, progress_);
  ASSERT_TRUE(ruined.ok()) << ruined.status();
  EXPECT_GT(ruined->wrong_pages, 0u);
  EXPECT_FALSE(ruined->findings.empty());

  const absl::StatusOr<ReplayResult> clean =
      (*replay)->Run(Policy::kClock, 64, progress_);
  ASSERT_TRUE(clean.ok()) << clean.status();
  ExpectWhole(trace, *clean);
}

TEST_F(ReplayTest, GivenHomeIsLeftAsItWas) {
  Replay(SampleTrace(1000), {.processes = 2}, Policy::kClock, 64);
  home_.reset();
  // The lock file of an environment may outlive it.
  for (const auto& entry : std::filesystem::directory_iterator(dir_.path())) {
    EXPECT_THAT(entry.path().filename().string(), HasSubstr("__db."));
  }
}

TEST_F(ReplayTest, GivenHomeWithAnEnvironmentIsRefused) {
  const TestDir used;
  absl::StatusOr<std::unique_ptr<DbEnv>> env = DbEnv::Open(used.path());
  ASSERT_TRUE(env.ok()) << env.status();
  EXPECT_TRUE(
      absl::IsFailedPrecondition(ReplayHome::Make(used.path()).status()));
  ASSERT_TRUE((*env)->Close().ok());
  EXPECT_TRUE(DbEnv::Remove(used.path()).ok());
}

TEST_F(ReplayTest, HomeOfItsOwnIsRemoved) {
  const absl::StatusOr<std::unique_ptr<ReplayHome>> made = ReplayHome::Make("");
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_FALSE(ReplayHome::Make("/nowhere/at/all").ok());
}

TEST(WriteShareTest, SeededShareOfReferencesWrites) {
  const Trace trace = SampleTrace(20000);
  Trace reads = trace;
  reads.dirties.assign(reads.dirties.size(), false);
  const auto writes = [](const Trace& of, double percent, uint64_t seed) {
    uint64_t count = 0;
    for (uint64_t i = 0; i < of.pages.size(); ++i) {
      count += IsWrite(of, {.write_percent = percent, .seed = seed}, i);
    }
    return count;
  };
  EXPECT_EQ(writes(reads, 0, 1), 0u);
  EXPECT_EQ(writes(reads, 100, 1), 20000u);
  EXPECT_NEAR(static_cast<double>(writes(reads, 30, 1)), 6000, 300);
  EXPECT_EQ(writes(reads, 30, 1), writes(reads, 30, 1));
  EXPECT_NE(writes(reads, 30, 1), writes(reads, 30, 2));
  EXPECT_GT(writes(trace, 30, 1), writes(reads, 30, 1));
}

TEST(ChildrenTest, DeathBySignalIsTold) {
  Children children;
  ASSERT_TRUE(children.Fork(2, [] { raise(SIGKILL); }).ok());
  children.ReapAll();
  EXPECT_THAT(children.deaths(),
              ElementsAre(HasSubstr("signal 9"), HasSubstr("signal 9")));
}

TEST(ChildrenTest, ChildrenThatEndWellAreNoDeaths) {
  Children children;
  ASSERT_TRUE(children.Fork(2, [] {}).ok());
  children.ReapAll();
  EXPECT_THAT(children.deaths(), IsEmpty());
}

TEST(ReplayControlTest, FirstFailureIsKeptAndStopsEverybody) {
  absl::StatusOr<SharedArray<ReplayControl>> shared =
      SharedArray<ReplayControl>::Make(1);
  ASSERT_TRUE(shared.ok());
  ReplayControl& control = (*shared)[0];
  EXPECT_EQ(control.Failure(), "");
  Children children;
  ASSERT_TRUE(
      children
          .Fork(1, [&] { control.ReportFailure(absl::DataLossError("first")); })
          .ok());
  children.ReapAll();
  control.ReportFailure(absl::DataLossError("second"));
  EXPECT_THAT(control.Failure(), HasSubstr("first"));
  EXPECT_EQ(control.WaitForPhase(), ReplayControl::kStop);
}

TEST(ReplayCommandTest, RowsAndReportAreMade) {
  const TestDir dir;
  std::string text;
  std::mt19937 random(9);
  for (int i = 0; i < 5000; ++i) {
    text += std::to_string(random() % 300 * 5) + (i % 7 == 0 ? " w\n" : "\n");
  }
  const std::string trace = dir.WriteGz("t.pt.gz", text);
  std::ostringstream out;
  std::ostringstream err;
  const std::string html = dir.File("report.html");
  const int code = RunCommand(
      std::vector<std::string>{"replay", trace, "--cache-frames", "64,100",
                               "--policy", "clock,lru", "--processes", "2",
                               "--verify", "--write-percent", "10", "--json",
                               "--html", html, "--bench-json", "none.json"},
      Terminal{}, false, out, err);
  EXPECT_EQ(code, 0) << err.str();
  EXPECT_THAT(err.str(), HasSubstr("none.json"));
  const auto rows = nlohmann::json::parse(out.str());
  ASSERT_EQ(rows.size(), 4u);
  for (const auto& row : rows) {
    EXPECT_EQ(row["trace"], "t");
    EXPECT_EQ(row["references"], 5000);
    EXPECT_EQ(row["hits"].get<int>() + row["misses"].get<int>(), 5000);
    EXPECT_EQ(row["processes"], 2);
    EXPECT_EQ(row["threads"], 1);
    EXPECT_EQ(row["wrong_pages"], 0);
    EXPECT_EQ(row["verified"], true);
    EXPECT_EQ(row["backing"], "posix-shm");
    EXPECT_GT(row["writes"].get<int>(), 715);
  }
  EXPECT_THAT(dir.Read("report.html"), HasSubstr("Verified: 0 wrong pages"));
}

TEST(ReplayCommandTest, MissingHomeCannotBeOpened) {
  const TestDir dir;
  std::ostringstream out;
  std::ostringstream err;
  EXPECT_EQ(
      RunCommand(std::vector<std::string>{"replay", dir.Write("t.pt", "1\n"),
                                          "--home", dir.File("none")},
                 Terminal{}, false, out, err),
      3);
  EXPECT_THAT(err.str(), HasSubstr("none"));
}

TEST(StatCommandTest, EveryStatisticHasARow) {
  const TestDir dir;
  absl::StatusOr<std::unique_ptr<DbEnv>> env =
      DbEnv::Open(dir.path(), {.cache_bytes = uint64_t{64} * 4096});
  ASSERT_TRUE(env.ok()) << env.status();
  std::ostringstream out;
  std::ostringstream err;
  EXPECT_EQ(RunCommand(std::vector<std::string>{"stat", dir.path(), "--json"},
                       Terminal{}, false, out, err),
            0)
      << err.str();
  std::vector<std::string> expected;
#define MPOOL_COUNTER(name, unit, help) expected.push_back(#name);
#define MPOOL_GAUGE(name, unit, help) expected.push_back(#name);
#include "mpool/stats.def"
#undef MPOOL_COUNTER
#undef MPOOL_GAUGE
  expected.push_back("backing");
  expected.push_back("policy");
  expected.push_back("origin");
  std::vector<std::string> names;
  for (const auto& row : nlohmann::json::parse(out.str())) {
    names.push_back(row["name"]);
    EXPECT_NE(row["help"], "");
    if (row["name"] == "cache_bytes") {
      EXPECT_EQ(row["value"], 64 * 4096);
    }
    if (row["name"] == "backing") {
      EXPECT_EQ(row["value"], "posix-shm");
    }
  }
  EXPECT_EQ(names, expected);
  ASSERT_TRUE((*env)->Close().ok());
  EXPECT_EQ(RunCommand(std::vector<std::string>{"remove", dir.path()},
                       Terminal{}, false, out, err),
            0);
}

}  // namespace
}  // namespace mpool::tools
