// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// simulate.cc - the verb that simulates policies on traces, without a pool.

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "tools/replay/progress.h"
#include "tools/report/names.h"
#include "tools/report/rows.h"
#include "tools/trace/cache_sizes.h"
#include "tools/trace/simulator.h"
#include "tools/trace/trace.h"
#include "tools/verbs/args.h"
#include "tools/verbs/common_options.h"
#include "tools/verbs/verbs.h"

namespace mpool::tools {
namespace {

Row SimulateRow(const Trace& trace, const std::string& policy,
                uint64_t frames) {
  Row row;
  row.trace = trace.name;
  row.policy = policy;
  row.frames = frames;
  row.references = trace.pages.size();
  row.hits = SimulateHits(FindValue(kSimulatedPolicies, policy).value(),
                          trace.pages, frames);
  row.misses = row.references - row.hits;
  row.pages_read = row.misses;
  return row;
}

Outcome RunSimulate(const Args& args, const VerbContext& context) {
  const absl::StatusOr<CacheSizes> cache_sizes = ParseCacheSizes(args);
  if (!cache_sizes.ok()) {
    return Outcome::Fail(ExitCode::kUsage, cache_sizes.status());
  }
  Progress progress(ProgressTerminal(args, context), context.err);
  const absl::StatusOr<std::vector<Trace>> traces = ReadTraces(args.operands());
  if (!traces.ok()) {
    return Outcome::Fail(ExitCode::kCannotOpen, traces.status());
  }
  const std::vector<std::string>& policies = args.Names("--policy");
  std::vector<Row> rows;
  for (const Trace& trace : *traces) {
    const std::vector<uint64_t> sizes =
        cache_sizes->FramesFor(trace.page_count);
    const uint64_t total = sizes.size() * policies.size();
    uint64_t done = 0;
    for (const std::string& policy : policies) {
      for (const uint64_t frames : sizes) {
        progress.Show(trace.name, done++, total);
        rows.push_back(SimulateRow(trace, policy, frames));
      }
    }
  }
  Outcome outcome;
  outcome.format = FormatOf(args);
  outcome.table = SimulateTable(rows);
  return outcome;
}

constexpr auto kPolicyNames = NamesIn(kSimulatedPolicies);

constexpr std::array<OptionSpec, 5> kOptions = {{
    CacheFramesOption(1, "cache sizes in frames"),
    kCachePercentOption,
    {.name = "--policy",
     .type = NameType{"policy", kPolicyNames, Arity::kList},
     .value_name = "P,P,...",
     .fallback = "lru,clock,opt",
     .help = "policies"},
    kJsonOption,
    kNoProgressOption,
}};

}  // namespace

constexpr VerbSpec kSimulateVerb = {
    .name = "simulate",
    .operands = kTraceOperands,
    .summary = "Simulates the hits of policies on traces, without a pool.",
    .help =
        "  The policy opt is Belady's optimum, which knows all later "
        "references.\n",
    .options = kOptions,
    .run = RunSimulate};

}  // namespace mpool::tools
