// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// replay.cc - the verb that replays traces through a real pool.

#include "tools/replay/replay.h"

#include <array>
#include <fstream>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "os/backing/table.h"
#include "os/status.h"
#include "tools/replay/kill_scene.h"
#include "tools/replay/page_file.h"
#include "tools/replay/progress.h"
#include "tools/report/names.h"
#include "tools/report/report.h"
#include "tools/report/rows.h"
#include "tools/trace/cache_sizes.h"
#include "tools/trace/simulator.h"
#include "tools/trace/trace.h"
#include "tools/verbs/args.h"
#include "tools/verbs/common_options.h"
#include "tools/verbs/verbs.h"

namespace mpool::tools {
namespace {

// 255, because the process that watches the workers needs a slot too.
constexpr uint64_t kMostProcesses = 255;

struct Request {
  std::vector<std::string> traces;
  CacheSizes sizes;
  std::vector<std::string> policies;
  ReplayOptions options;
  uint32_t kills = 0;
  std::string home;
  std::string html_path;
  std::string bench_path;
};

absl::StatusOr<ReplayOptions> MakeReplayOptions(const Args& args) {
  ReplayOptions options;
  options.processes = static_cast<uint32_t>(args.Number("--processes"));
  options.threads = static_cast<uint32_t>(args.Number("--threads"));
  options.page_size = static_cast<uint32_t>(args.Number("--page-size"));
  options.write_percent = args.Percent("--write-percent");
  options.seed = args.Number("--seed");
  options.verify = args.Has("--verify");
  const std::string& backing = args.Name("--backing");
  options.backing = FindValue(kBackings, backing).value();
  // The processes find the memory only by the home.
  if ((options.processes > 1 || args.Has("--kill")) &&
      os::ReachOf(options.backing) != os::Reach::kAnyProcess) {
    return absl::InvalidArgumentError(absl::StrCat(
        "replay: --backing ", backing,
        " has no name by which other processes "
        "could find it; give --processes 1, or ",
        os::SharedBackings(&os::BackingRow::name)));
  }
  return options;
}

absl::StatusOr<Request> MakeRequest(const Args& args) {
  Request request;
  request.traces = args.operands();
  MPOOL_ASSIGN_OR_RETURN(request.sizes, ParseCacheSizes(args));
  request.policies = args.Names("--policy");
  MPOOL_ASSIGN_OR_RETURN(request.options, MakeReplayOptions(args));
  if (args.Has("--kill")) {
    request.kills = static_cast<uint32_t>(args.Number("--kill"));
  }
  if (request.kills + request.options.processes > kMostProcesses) {
    return absl::InvalidArgumentError(absl::StrCat(
        "replay: --processes and --kill together are ",
        request.kills + request.options.processes, "; at most ",
        kMostProcesses, " processes can work; give fewer"));
  }
  request.home = args.Text("--home");
  request.html_path = args.Text("--html");
  request.bench_path = args.Text("--bench-json");
  if (!request.bench_path.empty() && request.html_path.empty()) {
    return absl::InvalidArgumentError(
        "replay: --bench-json adds to a report; give --html too");
  }
  return request;
}

Row MakeRow(const Trace& trace, const std::string& policy, uint64_t frames,
            const ReplayOptions& options, const ReplayResult& result) {
  Row row;
  row.trace = trace.name;
  row.policy = policy;
  row.frames = frames;
  row.processes = options.processes;
  row.threads = options.threads;
  row.references = trace.pages.size();
  row.hits = result.hits;
  row.misses = result.misses;
  row.pages_read = result.pages_read;
  row.pages_written = result.pages_written;
  row.wrong_pages = result.wrong_pages;
  row.page_size = options.page_size;
  row.writes = result.writes;
  row.seconds = result.seconds;
  row.backing = FindName(kBackings, options.backing).value();
  row.verified = options.verify;
  return row;
}

Row MakeKillRow(const Trace& trace, const std::string& policy,
                const KillRequest& request, const ReplayOptions& options,
                const KillResult& result) {
  ReplayResult common;
  common.writes = result.writes;
  common.hits = result.hits;
  common.misses = result.misses;
  common.pages_read = result.pages_read;
  common.pages_written = result.pages_written;
  common.wrong_pages = result.wrong_pages;
  common.seconds = result.seconds;
  Row row = MakeRow(trace, policy, request.frames, options, common);
  row.processes = options.processes + request.kills;
  // The dead leave a part of their references undone.
  row.references = result.hits + result.misses;
  row.verified = true;
  row.processes_killed = result.processes_killed;
  row.killed_in_update = result.killed_in_update;
  row.pages_checked = result.pages_checked;
  row.lost_updates = result.lost_updates;
  row.longest_stall_ms = result.longest_stall_ms;
  return row;
}

// Returns the simulator of the same policy. Every policy of the pool has one.
constexpr SimulatedPolicy SimulatorOf(std::string_view policy) {
  return FindValue(kSimulatedPolicies, policy).value();
}

// Adds a finding if the pool and a simulator of the same policy have different
// hits with one thread. The LRU simulator shares no code with the pool.
void CompareWithSimulator(const Trace& trace, const Row& row,
                          std::vector<std::string>* findings) {
  if (!row.verified || row.processes != 1 || row.threads != 1) return;
  const uint64_t expected =
      SimulateHits(SimulatorOf(row.policy), trace.pages, row.frames);
  if (row.hits == expected) return;
  findings->push_back(absl::StrCat("the pool had ", row.hits,
                                   " hits, but the simulator of ", row.policy,
                                   " had ", expected));
}

// Runs the replays and keeps their results for the table and the report.
class Replays {
 public:
  Replays(const Request& request, Progress& progress)
      : request_(request), progress_(progress) {}

  absl::Status Run() {
    MPOOL_ASSIGN_OR_RETURN(const std::vector<Trace> traces,
                           ReadTraces(request_.traces));
    MPOOL_ASSIGN_OR_RETURN(const std::unique_ptr<ReplayHome> home,
                           ReplayHome::Make(request_.home));
    for (const Trace& trace : traces) {
      MPOOL_RETURN_IF_ERROR(RunTrace(trace, *home));
      if (request_.kills > 0 && report_.findings.empty()) {
        MPOOL_RETURN_IF_ERROR(RunKills(trace, *home));
      }
      // The cause of a failed run would most likely fail the next run too.
      if (!report_.findings.empty()) break;
    }
    return absl::OkStatus();
  }

  const std::vector<Row>& rows() const { return rows_; }
  Report& report() { return report_; }

 private:
  absl::Status RunTrace(const Trace& trace, const ReplayHome& home) {
    MPOOL_ASSIGN_OR_RETURN(const std::unique_ptr<TraceReplay> replay,
                           TraceReplay::Make(trace, home, request_.options));
    std::vector<Row> rows;
    for (const std::string& policy : request_.policies) {
      for (const uint64_t frames : request_.sizes.FramesFor(trace.page_count)) {
        if (!report_.findings.empty()) break;
        MPOOL_ASSIGN_OR_RETURN(const ReplayResult result,
                               replay->Run(FindValue(kPolicies, policy).value(),
                                           frames, progress_));
        std::vector<std::string> findings = result.findings;
        // A part of a run has no row, because a row is a result.
        if (!IsReplayInterrupted()) {
          rows.push_back(
              MakeRow(trace, policy, frames, request_.options, result));
        }
        if (findings.empty() && !rows.empty()) {
          CompareWithSimulator(trace, rows.back(), &findings);
        }
        for (const std::string& finding : findings) {
          report_.findings.push_back(absl::StrCat(
              trace.name, ", ", policy, ", ", frames, " frames: ", finding));
        }
      }
    }
    rows_.insert(rows_.end(), rows.begin(), rows.end());
    if (!request_.html_path.empty()) {
      report_.traces.push_back(MakeReportTrace(trace, std::move(rows)));
    }
    return absl::OkStatus();
  }

  // Runs under the last policy, at the first size.
  absl::Status RunKills(const Trace& trace, const ReplayHome& home) {
    const std::string& policy = request_.policies.back();
    const KillRequest kill = {
        .policy = FindValue(kPolicies, policy).value(),
        .frames = request_.sizes.FramesFor(trace.page_count).front(),
        .kills = request_.kills};
    MPOOL_ASSIGN_OR_RETURN(
        const KillResult result,
        RunKillScene(trace, home, request_.options, kill, progress_));
    if (!IsReplayInterrupted()) {
      report_.kills.push_back(
          MakeKillRow(trace, policy, kill, request_.options, result));
    }
    for (const std::string& finding : result.findings) {
      report_.findings.push_back(
          absl::StrCat(trace.name, ", with kills: ", finding));
    }
    return absl::OkStatus();
  }

  const Request& request_;
  Progress& progress_;
  std::vector<Row> rows_;
  Report report_;
};

absl::Status WriteReport(const std::string& path, const Report& report) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << RenderReport(report);
  file.close();
  if (!file) {
    return absl::UnknownError(absl::StrCat("write report: ", path,
                                           ": the file cannot be written; "
                                           "choose another with --html"));
  }
  return absl::OkStatus();
}

// Writes the report that the request names. Adds each error to the outcome.
void AddReport(const Request& request, Report& report, Outcome& outcome) {
  if (!request.bench_path.empty()) {
    absl::StatusOr<std::vector<HitCost>> costs =
        ReadHitCosts(request.bench_path);
    if (costs.ok()) {
      report.hit_costs = *std::move(costs);
    } else {
      outcome.messages.push_back(std::string(costs.status().message()));
    }
  }
  if (!request.html_path.empty()) {
    const absl::Status written = WriteReport(request.html_path, report);
    if (!written.ok()) {
      outcome.exit_code = ExitCode::kCannotOpen;
      outcome.messages.push_back(std::string(written.message()));
    }
  }
}

Outcome RunReplay(const Args& args, const VerbContext& context) {
  const absl::StatusOr<Request> request = MakeRequest(args);
  if (!request.ok()) {
    return Outcome::Fail(ExitCode::kUsage, request.status());
  }
  Progress progress(ProgressTerminal(args, context), context.err);
  StopReplaysOnInterrupt();
  Replays replays(*request, progress);
  const absl::Status status = replays.Run();
  if (absl::IsCancelled(status)) {
    return Outcome::Fail(ExitCode::kInterrupted, status);
  }
  if (!status.ok()) return Outcome::Fail(ExitCode::kCannotOpen, status);

  Outcome outcome;
  outcome.format = FormatOf(args);
  std::vector<Row> rows = replays.rows();
  const std::vector<Row>& kills = replays.report().kills;
  if (outcome.format == Format::kJson) {
    rows.insert(rows.end(), kills.begin(), kills.end());
  }
  outcome.table = ReplayTable(rows);
  if (!kills.empty()) outcome.more = KillTable(kills);
  outcome.messages = replays.report().findings;
  if (!outcome.messages.empty()) outcome.exit_code = ExitCode::kFinding;
  if (IsReplayInterrupted()) {
    outcome.exit_code = ExitCode::kInterrupted;
    outcome.messages.push_back("each row is a whole run");
  }
  AddReport(*request, replays.report(), outcome);
  return outcome;
}

constexpr std::array<std::string_view, kPolicies.size()> kPolicyNames =
    NamesIn(kPolicies);
constexpr std::array<std::string_view, kBackings.size()> kBackingNames =
    NamesIn(kBackings);

// A policy without a simulator is no constant expression.
static_assert([] {
  for (const std::string_view policy : kPolicyNames) SimulatorOf(policy);
  return true;
}());

constexpr uint64_t kLeastFrames = 16;
constexpr uint64_t kMostThreads = 4094;
constexpr uint64_t kMostSeed = ~uint64_t{0};

constexpr std::array<OptionSpec, 16> kOptions = {{
    CacheFramesOption(kLeastFrames, "cache sizes in frames, from 16"),
    kCachePercentOption,
    {.name = "--policy",
     .type = NameType{"policy", kPolicyNames, Arity::kList},
     .value_name = "P,P,...",
     .fallback = "clock",
     .help = "policies"},
    {.name = "--processes",
     .type = NumberType{1, kMostProcesses},
     .value_name = "N",
     .fallback = "1",
     .help = "processes that share the pool"},
    {.name = "--threads",
     .type = NumberType{1, kMostThreads},
     .value_name = "N",
     .fallback = "1",
     .help = "threads of each process"},
    {.name = "--page-size",
     .type = PowerOfTwoType{512, 65536},
     .value_name = "B",
     .fallback = "4096",
     .help = "page size in bytes, a power of two from 512 to 65536"},
    {.name = "--write-percent",
     .type = PercentType{0},
     .value_name = "P",
     .fallback = "0",
     .help = "share of the references that write, besides those that the trace "
             "marks"},
    {.name = "--seed",
     .type = NumberType{0, kMostSeed},
     .value_name = "S",
     .fallback = "1",
     .help = "seed that selects the references of --write-percent"},
    {.name = "--verify",
     .type = FlagType{},
     .value_name = "",
     .fallback = "",
     .help = "check the content of each page at every get, and on disk after "
             "the last close"},
    {.name = "--kill",
     .type = NumberType{1, kMostProcesses - 1},
     .value_name = "N",
     .fallback = "",
     .help = "replay each trace once more with N more processes that are "
             "killed at work, and check that no put is lost"},
    {.name = "--backing",
     .type = NameType{"backing", kBackingNames},
     .value_name = "B",
     .fallback = "posix-shm",
     .help = "source of the shared memory; several processes need one that "
             "any process can join"},
    {.name = "--home",
     .type = TextType{},
     .value_name = "DIR",
     .fallback = "",
     .help = "directory of the environment and of the page file during the "
             "run; without it, a new directory below $TMPDIR or /tmp"},
    {.name = "--html",
     .type = TextType{},
     .value_name = "FILE",
     .fallback = "",
     .help = "write a report with charts that compares with LRU and OPT"},
    {.name = "--bench-json",
     .type = TextType{},
     .value_name = "FILE",
     .fallback = "",
     .help = "add a chart of this result of the benchmark to the report"},
    kJsonOption,
    kNoProgressOption,
}};

}  // namespace

constexpr VerbSpec kReplayVerb = {
    .name = "replay",
    .operands = kTraceOperands,
    .summary = "Replays traces through a real pool and counts its hits.",
    .help =
        "  The workers get the pages in the order of the trace. With --verify, "
        "one\n  process and one thread, the hits must equal those of a "
        "simulation.\n  An interrupted replay prints the runs that it "
        "finished. Its exit code is 130.\n",
    .options = kOptions,
    .run = RunReplay};

}  // namespace mpool::tools
