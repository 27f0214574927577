// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// option.h - the specification of one option of a verb. Parser and help use it.

#ifndef MPOOL_TOOLS_VERBS_OPTION_H_
#define MPOOL_TOOLS_VERBS_OPTION_H_

#include <cstdint>
#include <span>
#include <string_view>
#include <variant>

namespace mpool::tools {

// A list has comma-separated entries and at least one of them.
enum class Arity { kSingle, kList };

// The types of option values. Each type has one parser in args.cc.

struct FlagType {};

struct TextType {};

// Decimal numbers in [low, high].
struct NumberType {
  uint64_t low = 0;
  uint64_t high = 0;
  Arity arity = Arity::kSingle;
};

// Powers of two in [low, high].
struct PowerOfTwoType {
  uint64_t low = 1;
  uint64_t high = 1;
};

// Decimal fractions in [low, 100].
struct PercentType {
  double low = 0;
  Arity arity = Arity::kSingle;
};

// Entries of `known`. `noun` is the kind of entry in messages: "policy".
struct NameType {
  std::string_view noun;
  std::span<const std::string_view> known;
  Arity arity = Arity::kSingle;
};

using OptionType = std::variant<FlagType, TextType, NumberType, PowerOfTwoType,
                                PercentType, NameType>;

struct OptionSpec {
  std::string_view name;  // with its dashes
  OptionType type;
  std::string_view value_name;  // in the help; empty for a flag
  // The default, in the notation of the command line; empty if there is none.
  std::string_view fallback;
  // The help without known names and default, which are appended.
  std::string_view help;
};

}  // namespace mpool::tools

#endif  // MPOOL_TOOLS_VERBS_OPTION_H_
