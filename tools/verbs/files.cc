// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// files.cc - the verb that prints the page files that an environment knows.

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_join.h"
#include "mpool/env.h"
#include "tools/verbs/args.h"
#include "tools/verbs/common_options.h"
#include "tools/verbs/verbs.h"

namespace mpool::tools {
namespace {

Outcome RunFiles(const Args& args, const VerbContext&) {
  const absl::StatusOr<std::vector<FileUse>> files =
      DbEnv::Files(args.operands().front());
  if (!files.ok()) {
    return Outcome::Fail(ExitCode::kCannotOpen, files.status());
  }
  Outcome outcome;
  outcome.table.columns = {{"path"},     {"page_size"}, {"pages"},
                           {"resident"}, {"dirty"},     {"unsynced"},
                           {"lost"},     {"openers"},   {"error"}};
  for (const FileUse& file : *files) {
    outcome.table.rows.push_back(
        {file.path, uint64_t{file.page_size}, file.page_count,
         file.pages_resident, file.pages_dirty, file.pages_unsynced,
         file.pages_lost, absl::StrJoin(file.openers, " "), file.error});
  }
  outcome.format = FormatOf(args);
  return outcome;
}

constexpr std::array<OptionSpec, 1> kOptions = {kJsonOption};

}  // namespace

constexpr VerbSpec kFilesVerb = {
    .name = "files",
    .operands = kHomeOperand,
    .summary = "Prints the page files that an environment knows.",
    .help =
        "  Each row has the pages of a file that are in the pool, dirty, "
        "unsynced or\n  lost, the pids that have the file open, and the "
        "error of an earlier fsync.\n  The verb does not attach to the "
        "environment.\n",
    .options = kOptions,
    .run = RunFiles};

}  // namespace mpool::tools
