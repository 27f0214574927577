// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "tools/verbs/common_options.h"

#include "absl/status/status.h"

namespace mpool::tools {

Format FormatOf(const Args& args) {
  return args.Has("--json") ? Format::kJson : Format::kText;
}

Terminal ProgressTerminal(const Args& args, const VerbContext& context) {
  Terminal terminal = context.terminal;
  if (args.Has("--no-progress")) terminal.show_progress = false;
  return terminal;
}

absl::StatusOr<CacheSizes> ParseCacheSizes(const Args& args) {
  CacheSizes sizes;
  if (!args.Has("--cache-frames")) {
    sizes.percents = args.Percents("--cache-percent");
    return sizes;
  }
  if (args.Has("--cache-percent")) {
    return absl::InvalidArgumentError(
        "--cache-frames and --cache-percent exclude each other; give one");
  }
  sizes.frames = args.Numbers("--cache-frames");
  return sizes;
}

}  // namespace mpool::tools
