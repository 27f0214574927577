// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// lost.cc - the verb that prints the pages that were lost with their writers.

#include <array>
#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "mpool/env.h"
#include "tools/verbs/args.h"
#include "tools/verbs/common_options.h"
#include "tools/verbs/verbs.h"

namespace mpool::tools {
namespace {

Outcome RunLost(const Args& args, const VerbContext&) {
  const absl::StatusOr<std::vector<LostPage>> lost =
      DbEnv::LostPages(args.operands().front());
  if (!lost.ok()) return Outcome::Fail(ExitCode::kCannotOpen, lost.status());
  Outcome outcome;
  outcome.table.columns = {{"path"}, {"page"}, {"writer"}};
  for (const LostPage& page : *lost) {
    outcome.table.rows.push_back(
        {page.path, uint64_t{page.page}, static_cast<uint64_t>(page.pid)});
  }
  outcome.format = FormatOf(args);
  return outcome;
}

constexpr std::array<OptionSpec, 1> kOptions = {kJsonOption};

}  // namespace

constexpr VerbSpec kLostVerb = {
    .name = "lost",
    .operands = kHomeOperand,
    .summary = "Prints the pages that were lost with their writers.",
    .help =
        "  Each row has a page and the pid of the process that died while it "
        "changed the\n  page. A program writes such a page again with "
        "GetOptions::create; 'mpool\n  forget' gives up all pages of its "
        "file.\n",
    .options = kOptions,
    .run = RunLost};

}  // namespace mpool::tools
