// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// resize.cc - the verb that changes the cache size of an environment.

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "mpool/env.h"
#include "mpool/stats.h"
#include "tools/verbs/args.h"
#include "tools/verbs/common_options.h"
#include "tools/verbs/verbs.h"

namespace mpool::tools {
namespace {

Outcome RunResize(const Args& args, const VerbContext&) {
  const std::string& home = args.operands()[0];
  const std::optional<uint64_t> bytes = ParseBytes(args.operands()[1]);
  if (!bytes.has_value()) {
    return Outcome::Fail(ExitCode::kUsage,
                         absl::InvalidArgumentError(absl::StrCat(
                             "resize: BYTES: \"", args.operands()[1],
                             "\" is not a number of bytes, such as "
                             "67108864, 65536k, 64M or 1G")));
  }
  const absl::StatusOr<std::unique_ptr<DbEnv>> env =
      DbEnv::Open(home, {.on_mismatch = Mismatch::kKeep, .create = false});
  if (!env.ok()) return Outcome::Fail(ExitCode::kCannotOpen, env.status());
  const uint64_t before = (*env)->Stats().cache_bytes;
  absl::Status status = (*env)->Resize(*bytes);
  const EnvStats after = (*env)->Stats();
  status.Update((*env)->Close());
  if (absl::IsInvalidArgument(status)) {
    return Outcome::Fail(ExitCode::kUsage, status);
  }
  if (!status.ok()) return Outcome::Fail(ExitCode::kFinding, status);
  Outcome outcome;
  outcome.table.columns = {{"home"}, {"bytes_before"}, {"bytes"}};
  outcome.table.rows.push_back({home, before, after.cache_bytes});
  outcome.format = FormatOf(args);
  return outcome;
}

constexpr std::array<OptionSpec, 1> kOptions = {kJsonOption};

}  // namespace

constexpr VerbSpec kResizeVerb = {
    .name = "resize",
    .operands = {.names = "HOME BYTES",
                 .least = 2,
                 .most = 2,
                 .advice = "give a home and the new size of its cache in "
                           "bytes, such as 64M"},
    .summary = "Changes the cache size of an environment, even in use.",
    .help =
        "  BYTES is at most the max_cache_bytes that the environment was "
        "created with.\n  It may end in k, M or G, for powers of 1024.\n",
    .options = kOptions,
    .run = RunResize};

}  // namespace mpool::tools
