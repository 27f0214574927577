// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// forget.cc - the verb that gives up the pages of a file.

#include <array>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "mpool/env.h"
#include "tools/verbs/args.h"
#include "tools/verbs/common_options.h"
#include "tools/verbs/verbs.h"

namespace mpool::tools {
namespace {

Outcome RunForget(const Args& args, const VerbContext&) {
  const std::string& home = args.operands()[0];
  const std::string& path = args.operands()[1];
  const absl::StatusOr<std::unique_ptr<DbEnv>> env =
      DbEnv::Open(home, {.on_mismatch = Mismatch::kKeep, .create = false});
  if (!env.ok()) return Outcome::Fail(ExitCode::kCannotOpen, env.status());
  const absl::Status status = (*env)->Forget(path);
  const absl::Status closed = (*env)->Close();
  if (!status.ok()) return Outcome::Fail(ExitCode::kFinding, status);
  if (!closed.ok()) return Outcome::Fail(ExitCode::kFinding, closed);
  Outcome outcome;
  outcome.table.columns = {{"home"}, {"file"}, {"forgotten"}};
  outcome.table.rows.push_back({home, path, true});
  outcome.format = FormatOf(args);
  return outcome;
}

constexpr std::array<OptionSpec, 1> kOptions = {kJsonOption};

}  // namespace

constexpr VerbSpec kForgetVerb = {
    .name = "forget",
    .operands = {.names = "HOME FILE",
                 .least = 2,
                 .most = 2,
                 .advice = "give a home and the path of a page file; a "
                           "relative path starts at the home"},
    .summary = "Gives up the pages of a file, with their unwritten changes.",
    .help =
        "  For a file that was removed, or that cannot be written any more. "
        "No process\n  may have the file open. 'mpool files' lists the "
        "files.\n",
    .options = kOptions,
    .run = RunForget};

}  // namespace mpool::tools
