// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include <array>
#include <bit>
#include <fstream>
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "os/mapping.h"
#include "os/status.h"
#include "tools/replay/progress.h"
#include "tools/replay/replay.h"
#include "tools/report/names.h"
#include "tools/report/report.h"
#include "tools/report/rows.h"
#include "tools/trace/cache_sizes.h"
#include "tools/trace/simulator.h"
#include "tools/trace/trace.h"
#include "tools/verbs/args.h"
#include "tools/verbs/verbs.h"

namespace mpool::tools {
namespace {

constexpr std::array<OptionSpec, 15> kOptions = {{
    {"--cache-frames", true},
    {"--cache-percent", true},
    {"--policy", true},
    {"--processes", true},
    {"--threads", true},
    {"--page-size", true},
    {"--write-percent", true},
    {"--seed", true},
    {"--verify"},
    {"--backing", true},
    {"--home", true},
    {"--html", true},
    {"--bench-json", true},
    {"--json"},
    {"--no-progress"},
}};

constexpr uint64_t kLeastFrames = 16;
// 255, because the process that watches the workers needs a slot too.
constexpr uint64_t kMostProcesses = 255;
constexpr uint64_t kMostThreads = 4094;
constexpr uint64_t kLeastPageSize = 512;
constexpr uint64_t kMostPageSize = 65536;

struct Request {
  std::vector<std::string> traces;
  CacheSizes sizes;
  std::vector<std::string> policies;
  ReplayOptions options;
  std::string home;
  std::string html_path;
  std::string bench_path;
  Format format = Format::kText;
  bool show_progress = true;
};

absl::StatusOr<ReplayOptions> ParseReplayOptions(const Args& args) {
  ReplayOptions options;
  MPOOL_ASSIGN_OR_RETURN(const uint64_t processes,
                         args.Number("--processes", 1, 1, kMostProcesses));
  MPOOL_ASSIGN_OR_RETURN(const uint64_t threads,
                         args.Number("--threads", 1, 1, kMostThreads));
  MPOOL_ASSIGN_OR_RETURN(
      const uint64_t page_size,
      args.Number("--page-size", 4096, kLeastPageSize, kMostPageSize));
  if (!std::has_single_bit(page_size)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "replay: --page-size: ", page_size, " is not a power of two"));
  }
  MPOOL_ASSIGN_OR_RETURN(options.write_percent,
                         args.Percent("--write-percent", 0, 0));
  MPOOL_ASSIGN_OR_RETURN(options.seed,
                         args.Number("--seed", 1, 0, ~uint64_t{0}));
  MPOOL_ASSIGN_OR_RETURN(
      const std::string backing,
      args.Word("--backing", "backing", "posix-shm", kBackingNames));
  options.processes = static_cast<uint32_t>(processes);
  options.threads = static_cast<uint32_t>(threads);
  options.page_size = static_cast<uint32_t>(page_size);
  options.verify = args.Has("--verify");
  options.backing = BackingOf(backing);
  // The processes find the memory only by the home.
  if (processes > 1 &&
      os::ReachOf(options.backing) != os::Reach::kAnyProcess) {
    return absl::InvalidArgumentError(absl::StrCat(
        "replay: --backing ", backing, " has no name by which other processes "
        "could find it; give --processes 1, or posix-shm, file or sysv"));
  }
  return options;
}

absl::StatusOr<Request> ParseRequest(std::span<const std::string> words) {
  MPOOL_ASSIGN_OR_RETURN(const Args args,
                         Args::Parse("replay", words, kOptions));
  Request request;
  request.traces = args.positional();
  if (request.traces.empty()) {
    return absl::InvalidArgumentError(
        "replay: no trace; give one or more .pt.gz files");
  }
  MPOOL_ASSIGN_OR_RETURN(request.sizes, ParseCacheSizes(args, kLeastFrames));
  MPOOL_ASSIGN_OR_RETURN(request.policies,
                         args.Words("--policy", "policy", kPolicyNames));
  if (request.policies.empty()) request.policies = {"clock"};
  MPOOL_ASSIGN_OR_RETURN(request.options, ParseReplayOptions(args));
  request.home = args.Text("--home");
  request.html_path = args.Text("--html");
  request.bench_path = args.Text("--bench-json");
  if (!request.bench_path.empty() && request.html_path.empty()) {
    return absl::InvalidArgumentError(
        "replay: --bench-json adds to a report; give --html too");
  }
  if (args.Has("--json")) request.format = Format::kJson;
  request.show_progress = !args.Has("--no-progress");
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
  row.backing = NameOf(options.backing);
  row.verified = options.verify;
  return row;
}

// Reports a finding if the pool and a simulator of the same policy have
// different hits with one thread. The LRU simulator shares no code with the
// pool.
void CompareWithSimulator(const Trace& trace, const Row& row,
                          std::vector<std::string>* findings) {
  if (!row.verified || row.processes != 1 || row.threads != 1) return;
  const SimulatedPolicy policy = row.policy == "lru" ? SimulatedPolicy::kLru
                                                     : SimulatedPolicy::kClock;
  const uint64_t expected = SimulateHits(policy, trace.pages, row.frames);
  if (row.hits == expected) return;
  findings->push_back(absl::StrCat("the pool had ", row.hits,
                                   " hits, a simulated ", row.policy, " has ",
                                   expected));
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
        MPOOL_ASSIGN_OR_RETURN(
            const ReplayResult result,
            replay->Run(PolicyOf(policy), frames, progress_));
        rows.push_back(
            MakeRow(trace, policy, frames, request_.options, result));
        std::vector<std::string> findings = result.findings;
        if (findings.empty()) {
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
                                           ": cannot write it; choose another "
                                           "file with --html"));
  }
  return absl::OkStatus();
}

}  // namespace

Outcome ReplayVerb(std::span<const std::string> words,
                   const VerbContext& context) {
  const absl::StatusOr<Request> request = ParseRequest(words);
  if (!request.ok()) {
    return Outcome::Fail(ExitCode::kUsage, request.status());
  }
  Terminal terminal = context.terminal;
  terminal.show_progress = terminal.show_progress && request->show_progress;
  Progress progress(terminal, context.err);
  StopReplaysOnInterrupt();
  Replays replays(*request, progress);
  const absl::Status status = replays.Run();
  if (!status.ok()) return Outcome::Fail(ExitCode::kCannotOpen, status);

  Outcome outcome;
  outcome.format = request->format;
  outcome.table = ReplayTable(replays.rows());
  outcome.messages = replays.report().findings;
  if (!outcome.messages.empty()) outcome.exit_code = ExitCode::kFinding;
  if (!request->bench_path.empty()) {
    absl::StatusOr<std::vector<HitCost>> costs =
        ReadHitCosts(request->bench_path);
    if (costs.ok()) {
      replays.report().hit_costs = *std::move(costs);
    } else {
      outcome.messages.push_back(std::string(costs.status().message()));
    }
  }
  if (!request->html_path.empty()) {
    const absl::Status written =
        WriteReport(request->html_path, replays.report());
    if (!written.ok()) {
      outcome.exit_code = ExitCode::kCannotOpen;
      outcome.messages.push_back(std::string(written.message()));
    }
  }
  return outcome;
}

}  // namespace mpool::tools
