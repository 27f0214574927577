// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// common_options.h - the options that several verbs have.

#ifndef MPOOL_TOOLS_VERBS_COMMON_OPTIONS_H_
#define MPOOL_TOOLS_VERBS_COMMON_OPTIONS_H_

#include <cstdint>
#include <limits>

#include "absl/status/statusor.h"
#include "tools/replay/progress.h"
#include "tools/report/table.h"
#include "tools/trace/cache_sizes.h"
#include "tools/verbs/args.h"
#include "tools/verbs/verb.h"

namespace mpool::tools {

inline constexpr OptionSpec kJsonOption = {.name = "--json",
                                           .type = FlagType{},
                                           .value_name = "",
                                           .fallback = "",
                                           .help = "rows as a JSON array"};

// Returns the format that the command line requests.
// REQUIRES: the verb has kJsonOption.
Format FormatOf(const Args& args);

inline constexpr OptionSpec kNoProgressOption = {
    .name = "--no-progress",
    .type = FlagType{},
    .value_name = "",
    .fallback = "",
    .help = "no progress line on the terminal"};

// Returns the terminal of a verb that may show its progress.
// REQUIRES: the verb has kNoProgressOption.
Terminal ProgressTerminal(const Args& args, const VerbContext& context);

// The operands of a verb that reads traces.
inline constexpr OperandSpec kTraceOperands = {
    .names = "TRACE...",
    .least = 1,
    .most = std::numeric_limits<size_t>::max(),
    .advice = "no trace; give one or more .pt.gz files"};

// The operand of a verb that has one environment.
inline constexpr OperandSpec kHomeOperand = {
    .names = "HOME",
    .least = 1,
    .most = 1,
    .advice = "give exactly one home, the directory of an environment"};

// Frame indexes have 32 bits.
inline constexpr uint64_t kMostFrames = std::numeric_limits<uint32_t>::max();
inline constexpr double kLeastPercent = 0.0001;

// Returns the option for cache sizes of at least `least_frames`.
constexpr OptionSpec CacheFramesOption(uint64_t least_frames,
                                       std::string_view help) {
  return {.name = "--cache-frames",
          .type = NumberType{least_frames, kMostFrames, Arity::kList},
          .value_name = "N,N,...",
          .fallback = "",
          .help = help};
}

inline constexpr OptionSpec kCachePercentOption = {
    .name = "--cache-percent",
    .type = PercentType{kLeastPercent, Arity::kList},
    .value_name = "P,P,...",
    .fallback = "1,5,10,25",
    .help = "cache sizes in percent of the distinct pages, at least 64 frames"};

// Returns the sizes of --cache-frames, or else those of --cache-percent.
// Returns InvalidArgument if the command line has both.
// REQUIRES: the verb has both options.
absl::StatusOr<CacheSizes> ParseCacheSizes(const Args& args);

}  // namespace mpool::tools

#endif  // MPOOL_TOOLS_VERBS_COMMON_OPTIONS_H_
