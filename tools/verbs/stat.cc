// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// stat.cc - the verb that prints the statistics of an environment.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "mpool/env.h"
#include "mpool/stats.h"
#include "mpool/version.h"
#include "tools/report/names.h"
#include "tools/verbs/args.h"
#include "tools/verbs/common_options.h"
#include "tools/verbs/verbs.h"

namespace mpool::tools {
namespace {

// Returns the name of a value that another program may have written.
template <class T, size_t kSize>
std::string NameOrNumber(const std::array<Named<T>, kSize>& table, T value) {
  const std::optional<std::string_view> name = FindName(table, value);
  if (name.has_value()) return std::string(*name);
  return absl::StrCat("unknown (", static_cast<int64_t>(value), ")");
}

Table StatTable(const EnvStats& stats) {
  Table table;
  table.columns = {{"name"}, {"value"}, {"unit"}, {"help"}};
#define MPOOL_COUNTER(name, unit, help) \
  table.rows.push_back({std::string(#name), stats.name, unit, help});
#define MPOOL_GAUGE(name, unit, help) \
  table.rows.push_back({std::string(#name), stats.name, unit, help});
#include "mpool/stats.def"
#undef MPOOL_COUNTER
#undef MPOOL_GAUGE
  const auto add = [&](const char* name, std::string value, const char* help) {
    table.rows.push_back({std::string(name), std::move(value), std::string(),
                          std::string(help)});
  };
  add("backing", NameOrNumber(kBackings, stats.backing),
      "source of the shared memory");
  add("policy", NameOrNumber(kPolicies, stats.policy),
      "choice of the page to evict");
  add("origin", NameOrNumber(kOrigins, stats.origin),
      "reason of its creation: new, after a reboot, or because the earlier "
      "memory was lost");
  return table;
}

// Reports a panic and lost pages.
void AddTrouble(const std::string& home, const EnvStats& stats,
                Outcome& outcome) {
  if (stats.panicked != 0) {
    outcome.messages.push_back(absl::StrCat(
        home, " is panicked: every get is refused until the owner of its log "
              "recovers it (EnvOptions::recover)"));
  }
  if (stats.frames_poisoned != 0) {
    outcome.messages.push_back(absl::StrCat(
        home, " has ", stats.frames_poisoned,
        " pages that were lost with their writers; write them again with "
        "GetOptions::create"));
  }
  if (!outcome.messages.empty()) outcome.exit_code = ExitCode::kFinding;
}

Outcome RunStat(const Args& args, const VerbContext&) {
  const absl::StatusOr<EnvStats> stats =
      DbEnv::Inspect(args.operands().front());
  if (!stats.ok()) {
    return Outcome::Fail(ExitCode::kCannotOpen, stats.status());
  }
  Outcome outcome;
  outcome.table = StatTable(*stats);
  outcome.table.head = {
      {"home", args.operands().front()},
      {"time", absl::FormatTime(absl::Now(), absl::UTCTimeZone())},
      {"version", std::string(MPOOL_VERSION_STRING)}};
  outcome.format = FormatOf(args);
  AddTrouble(args.operands().front(), *stats, outcome);
  return outcome;
}

constexpr std::array<OptionSpec, 1> kOptions = {kJsonOption};

}  // namespace

constexpr VerbSpec kStatVerb = {
    .name = "stat",
    .operands = kHomeOperand,
    .summary = "Prints the statistics of an environment.",
    .help =
        "  The verb does not attach to the environment. Its exit code is 1 for "
        "an\n  environment that is panicked or has lost pages. It cannot read "
        "memory without\n  a name (anonymous, dev-zero, sysv-private, heap). "
        "JSON is one object with\n  the home, the time and the version.\n",
    .options = kOptions,
    .run = RunStat};

}  // namespace mpool::tools
