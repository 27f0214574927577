// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// stat.cc - the verbs that inspect, resize or remove an environment.

#include <array>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "mpool/env.h"
#include "mpool/stats.h"
#include "os/status.h"
#include "tools/report/names.h"
#include "tools/verbs/args.h"
#include "tools/verbs/verbs.h"

namespace mpool::tools {
namespace {

constexpr std::array<OptionSpec, 1> kStatOptions = {{{"--json"}}};
constexpr std::array<OptionSpec, 2> kRemoveOptions = {
    {{"--force"}, {"--json"}}};

absl::StatusOr<std::string> OneHome(const Args& args) {
  if (args.positional().size() != 1) {
    return absl::InvalidArgumentError(
        "give exactly one home, the directory of an environment");
  }
  return args.positional().front();
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
  table.rows.push_back({std::string("backing"),
                        std::string(NameOf(stats.backing)), std::string(),
                        std::string("where the shared memory comes from")});
  table.rows.push_back({std::string("policy"),
                        std::string(NameOf(stats.policy)), std::string(),
                        std::string("which page is evicted")});
  table.rows.push_back({std::string("origin"),
                        std::string(NameOf(stats.origin)), std::string(),
                        std::string("why it was made: new, after a reboot, or "
                                    "because the one before was lost")});
  return table;
}

}  // namespace

Outcome StatVerb(std::span<const std::string> words, const VerbContext&) {
  const absl::StatusOr<Args> args = Args::Parse("stat", words, kStatOptions);
  if (!args.ok()) return Outcome::Fail(ExitCode::kUsage, args.status());
  const absl::StatusOr<std::string> home = OneHome(*args);
  if (!home.ok()) return Outcome::Fail(ExitCode::kUsage, home.status());
  const absl::StatusOr<EnvStats> stats = DbEnv::Inspect(*home);
  if (!stats.ok()) {
    return Outcome::Fail(ExitCode::kCannotOpen, stats.status());
  }
  Outcome outcome;
  outcome.table = StatTable(*stats);
  if (args->Has("--json")) outcome.format = Format::kJson;
  return outcome;
}

Outcome HoldersVerb(std::span<const std::string> words, const VerbContext&) {
  const absl::StatusOr<Args> args =
      Args::Parse("holders", words, kStatOptions);
  if (!args.ok()) return Outcome::Fail(ExitCode::kUsage, args.status());
  const absl::StatusOr<std::string> home = OneHome(*args);
  if (!home.ok()) return Outcome::Fail(ExitCode::kUsage, home.status());
  const absl::StatusOr<std::vector<Holding>> holders = DbEnv::Holders(*home);
  if (!holders.ok()) {
    return Outcome::Fail(ExitCode::kCannotOpen, holders.status());
  }
  Outcome outcome;
  outcome.table.columns = {{"pid"},     {"command"}, {"slot"}, {"thread"},
                           {"seconds"}, {"dead"},    {"holds"}};
  for (const Holding& holding : *holders) {
    outcome.table.rows.push_back(
        {static_cast<uint64_t>(holding.pid), holding.command,
         uint64_t{holding.process_slot}, uint64_t{holding.thread},
         absl::ToDoubleSeconds(holding.held), holding.dead, holding.what});
  }
  if (args->Has("--json")) outcome.format = Format::kJson;
  return outcome;
}

Outcome ResizeVerb(std::span<const std::string> words, const VerbContext&) {
  const absl::StatusOr<Args> args =
      Args::Parse("resize", words, kStatOptions);
  if (!args.ok()) return Outcome::Fail(ExitCode::kUsage, args.status());
  uint64_t bytes = 0;
  if (args->positional().size() != 2 ||
      !absl::SimpleAtoi(args->positional()[1], &bytes)) {
    return Outcome::Fail(
        ExitCode::kUsage,
        absl::InvalidArgumentError(
            "give a home and the bytes that its cache is to have"));
  }
  const std::string& home = args->positional()[0];
  const absl::StatusOr<std::unique_ptr<DbEnv>> env =
      DbEnv::Open(home, {.create = false});
  if (!env.ok()) return Outcome::Fail(ExitCode::kCannotOpen, env.status());
  const uint64_t before = (*env)->Stats().cache_bytes;
  absl::Status status = (*env)->Resize(bytes);
  const EnvStats after = (*env)->Stats();
  status.Update((*env)->Close());
  if (absl::IsInvalidArgument(status)) {
    return Outcome::Fail(ExitCode::kUsage, status);
  }
  if (!status.ok()) return Outcome::Fail(ExitCode::kFinding, status);
  Outcome outcome;
  outcome.table.columns = {{"home"}, {"bytes_before"}, {"bytes"}};
  outcome.table.rows.push_back({home, before, after.cache_bytes});
  if (args->Has("--json")) outcome.format = Format::kJson;
  return outcome;
}

Outcome RemoveVerb(std::span<const std::string> words, const VerbContext&) {
  const absl::StatusOr<Args> args =
      Args::Parse("remove", words, kRemoveOptions);
  if (!args.ok()) return Outcome::Fail(ExitCode::kUsage, args.status());
  const absl::StatusOr<std::string> home = OneHome(*args);
  if (!home.ok()) return Outcome::Fail(ExitCode::kUsage, home.status());
  const bool force = args->Has("--force");
  const absl::Status status = DbEnv::Remove(*home, force);
  if (absl::IsNotFound(status) || absl::IsPermissionDenied(status)) {
    return Outcome::Fail(ExitCode::kCannotOpen, status);
  }
  if (!status.ok()) return Outcome::Fail(ExitCode::kFinding, status);
  Outcome outcome;
  outcome.table.columns = {{"home"}, {"removed"}};
  outcome.table.rows.push_back({*home, true});
  if (args->Has("--json")) outcome.format = Format::kJson;
  return outcome;
}

}  // namespace mpool::tools
