// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include <array>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "os/status.h"
#include "tools/replay/progress.h"
#include "tools/report/names.h"
#include "tools/report/rows.h"
#include "tools/trace/cache_sizes.h"
#include "tools/trace/simulator.h"
#include "tools/trace/trace.h"
#include "tools/verbs/args.h"
#include "tools/verbs/verbs.h"

namespace mpool::tools {
namespace {

constexpr std::array<OptionSpec, 5> kOptions = {{
    {"--cache-frames", true},
    {"--cache-percent", true},
    {"--policy", true},
    {"--json"},
    {"--no-progress"},
}};

struct Request {
  std::vector<std::string> traces;
  CacheSizes sizes;
  std::vector<std::string> policies;
  Format format = Format::kText;
  bool show_progress = true;
};

absl::StatusOr<Request> ParseRequest(std::span<const std::string> words) {
  MPOOL_ASSIGN_OR_RETURN(const Args args,
                         Args::Parse("simulate", words, kOptions));
  Request request;
  request.traces = args.positional();
  if (request.traces.empty()) {
    return absl::InvalidArgumentError(
        "simulate: no trace; give one or more .pt.gz files");
  }
  MPOOL_ASSIGN_OR_RETURN(request.sizes, ParseCacheSizes(args, 1));
  MPOOL_ASSIGN_OR_RETURN(request.policies, args.Words("--policy", "policy",
                                                      kSimulatedPolicyNames));
  if (request.policies.empty()) request.policies = {"lru", "clock", "opt"};
  if (args.Has("--json")) request.format = Format::kJson;
  request.show_progress = !args.Has("--no-progress");
  return request;
}

Row SimulateRow(const Trace& trace, const std::string& policy,
                uint64_t frames) {
  Row row;
  row.trace = trace.name;
  row.policy = policy;
  row.frames = frames;
  row.references = trace.pages.size();
  row.hits = SimulateHits(SimulatedPolicyOf(policy), trace.pages, frames);
  row.misses = row.references - row.hits;
  row.pages_read = row.misses;
  return row;
}

}  // namespace

Outcome SimulateVerb(std::span<const std::string> words,
                     const VerbContext& context) {
  absl::StatusOr<Request> request = ParseRequest(words);
  if (!request.ok()) {
    return Outcome::Fail(ExitCode::kUsage, request.status());
  }
  Terminal terminal = context.terminal;
  terminal.show_progress = terminal.show_progress && request->show_progress;
  Progress progress(terminal, context.err);
  const absl::StatusOr<std::vector<Trace>> traces = ReadTraces(request->traces);
  if (!traces.ok()) {
    return Outcome::Fail(ExitCode::kCannotOpen, traces.status());
  }
  std::vector<Row> rows;
  for (const Trace& trace : *traces) {
    const std::vector<uint64_t> sizes =
        request->sizes.FramesFor(trace.page_count);
    const uint64_t total = sizes.size() * request->policies.size();
    uint64_t done = 0;
    for (const std::string& policy : request->policies) {
      for (const uint64_t frames : sizes) {
        progress.Show(trace.name, done++, total);
        rows.push_back(SimulateRow(trace, policy, frames));
      }
    }
  }
  Outcome outcome;
  outcome.format = request->format;
  outcome.table = SimulateTable(rows);
  return outcome;
}

}  // namespace mpool::tools
