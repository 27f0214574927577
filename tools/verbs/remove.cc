// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// remove.cc - the verb that removes an environment.

#include <array>
#include <string>

#include "absl/status/status.h"
#include "mpool/env.h"
#include "tools/verbs/args.h"
#include "tools/verbs/common_options.h"
#include "tools/verbs/verbs.h"

namespace mpool::tools {
namespace {

Outcome RunRemove(const Args& args, const VerbContext&) {
  const std::string& home = args.operands().front();
  const bool force = args.Has("--force");
  const absl::Status status = DbEnv::Remove(home, force);
  if (absl::IsNotFound(status) || absl::IsPermissionDenied(status)) {
    return Outcome::Fail(ExitCode::kCannotOpen, status);
  }
  if (!status.ok()) return Outcome::Fail(ExitCode::kFinding, status);
  Outcome outcome;
  outcome.table.columns = {{"home"}, {"removed"}};
  outcome.table.rows.push_back({home, true});
  outcome.format = FormatOf(args);
  return outcome;
}

constexpr std::array<OptionSpec, 2> kOptions = {{
    {.name = "--force",
     .type = FlagType{},
     .value_name = "",
     .fallback = "",
     .help = "discard pages that cannot be written"},
    kJsonOption,
}};

}  // namespace

constexpr VerbSpec kRemoveVerb = {
    .name = "remove",
    .operands = kHomeOperand,
    .summary = "Removes an environment that no process uses.",
    .help = "  The verb first writes back the dirty pages.\n",
    .options = kOptions,
    .run = RunRemove};

}  // namespace mpool::tools
