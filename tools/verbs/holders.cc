// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// holders.cc - the verb that prints the holders of slots, pages and latches.

#include <array>
#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "mpool/env.h"
#include "tools/verbs/args.h"
#include "tools/verbs/common_options.h"
#include "tools/verbs/verbs.h"

namespace mpool::tools {
namespace {

Outcome RunHolders(const Args& args, const VerbContext&) {
  const absl::StatusOr<std::vector<Holding>> holders =
      DbEnv::Holders(args.operands().front());
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
  outcome.format = FormatOf(args);
  return outcome;
}

constexpr std::array<OptionSpec, 1> kOptions = {kJsonOption};

}  // namespace

constexpr VerbSpec kHoldersVerb = {
    .name = "holders",
    .operands = kHomeOperand,
    .summary = "Prints the holders of the gate, slots, pages and latches.",
    .help =
        "  Each row has the process and thread of a holder, the time since "
        "it\n  acquired, and whether its process is dead. The verb does "
        "not attach to the\n  environment. Slot 0 has the process that opens, "
        "closes or removes the\n  environment; others wait for it.\n",
    .options = kOptions,
    .run = RunHolders};

}  // namespace mpool::tools
