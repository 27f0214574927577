// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "tools/verbs/args.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstdlib>
#include <limits>
#include <system_error>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "os/status.h"

namespace mpool::tools {
namespace {

using os::Abs;

std::string List(std::span<const std::string_view> words) {
  std::string text;
  for (std::string_view word : words) {
    absl::StrAppend(&text, text.empty() ? "" : ", ", Abs(word));
  }
  return text;
}

std::vector<std::string> SplitEntries(const std::string& text, Arity arity) {
  if (arity == Arity::kSingle) return {text};
  return absl::StrSplit(text, ',');
}

// True if all of `text` is a decimal number in [low, high].
bool ParseNumber(const std::string& text, uint64_t low, uint64_t high,
                 uint64_t& number) {
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number);
  return error == std::errc() && rest == end && number >= low && number <= high;
}

// True if all of `text` is a decimal fraction in [low, 100].
bool ParsePercent(const std::string& text, double low, double& percent) {
  const char* const end = text.data() + text.size();
  const auto [rest, error] =
      std::from_chars(text.data(), end, percent, std::chars_format::fixed);
  return error == std::errc() && rest == end && percent >= low &&
         percent <= 100;
}

}  // namespace

std::optional<uint64_t> ParseBytes(std::string_view text) {
  int shift = 0;
  if (text.ends_with('k')) shift = 10;
  if (text.ends_with('M')) shift = 20;
  if (text.ends_with('G')) shift = 30;
  if (shift != 0) text.remove_suffix(1);
  uint64_t number = 0;
  const uint64_t most = std::numeric_limits<uint64_t>::max() >> shift;
  if (!ParseNumber(std::string(text), 0, most, number)) return std::nullopt;
  return number << shift;
}

// Parses the words of one verb into an Args.
class Args::Parser {
 public:
  explicit Parser(const VerbSpec& verb) : verb_(verb) {}

  absl::StatusOr<Args> Parse(std::span<const std::string> words) {
    for (const OptionSpec& option : verb_.options) {
      MPOOL_ASSIGN_OR_RETURN(Value value, ParseDefault(option));
      args_.options_.emplace(option.name, Option{false, std::move(value)});
    }
    bool options_ended = false;
    while (!words.empty()) {
      const std::string& word = words.front();
      if (!options_ended && word == "--") {
        options_ended = true;
        words = words.subspan(1);
      } else if (options_ended || word.size() < 2 || word.front() != '-') {
        args_.operands_.push_back(word);
        words = words.subspan(1);
      } else {
        MPOOL_RETURN_IF_ERROR(ParseOption(words));
      }
    }
    const size_t count = args_.operands_.size();
    if (count < verb_.operands.least || count > verb_.operands.most) {
      return absl::InvalidArgumentError(
          absl::StrCat(Abs(verb_.name), ": ", Abs(verb_.operands.advice)));
    }
    return std::move(args_);
  }

 private:
  absl::Status Fail(std::string_view option, std::string_view problem) const {
    return absl::InvalidArgumentError(
        absl::StrCat(Abs(verb_.name), ": ", Abs(option), ": ", Abs(problem)));
  }

  absl::StatusOr<Value> ParseDefault(const OptionSpec& option) const {
    if (!option.fallback.empty()) {
      return ParseValue(option, std::string(option.fallback));
    }
    if (std::holds_alternative<PercentType>(option.type)) {
      return std::vector<double>();
    }
    if (std::holds_alternative<NumberType>(option.type) ||
        std::holds_alternative<PowerOfTwoType>(option.type)) {
      return std::vector<uint64_t>();
    }
    return std::vector<std::string>();
  }

  // Parses the option at the front of `words` and removes its words.
  absl::Status ParseOption(std::span<const std::string>& words) {
    const std::string& word = words.front();
    words = words.subspan(1);
    const size_t equals = word.find('=');
    const std::string name = word.substr(0, equals);
    const auto spec = std::find_if(
        verb_.options.begin(), verb_.options.end(),
        [&](const OptionSpec& known) { return known.name == name; });
    if (spec == verb_.options.end()) return FailUnknown(name);
    Option& option = args_.options_.find(name)->second;
    if (std::exchange(option.is_given, true)) {
      return Fail(name, "is given twice");
    }
    const bool is_flag = std::holds_alternative<FlagType>(spec->type);
    std::string text;
    if (equals != std::string::npos) {
      if (is_flag) return Fail(name, "takes no value");
      text = word.substr(equals + 1);
    } else if (!is_flag) {
      if (words.empty()) return Fail(name, "needs a value");
      text = words.front();
      words = words.subspan(1);
    }
    MPOOL_ASSIGN_OR_RETURN(option.value, ParseValue(*spec, text));
    return absl::OkStatus();
  }

  absl::Status FailUnknown(const std::string& name) const {
    std::vector<std::string_view> names;
    for (const OptionSpec& known : verb_.options) names.push_back(known.name);
    return Fail(name, absl::StrCat("unknown option; known are ", List(names)));
  }

  absl::StatusOr<Value> ParseValue(const OptionSpec& option,
                                   const std::string& text) const {
    return std::visit(
        [&](const auto& type) -> absl::StatusOr<Value> {
          return ParseAs(type, option, text);
        },
        option.type);
  }

  absl::StatusOr<Value> ParseAs(const FlagType&, const OptionSpec&,
                                const std::string&) const {
    return std::vector<std::string>();
  }

  absl::StatusOr<Value> ParseAs(const TextType&, const OptionSpec&,
                                const std::string& text) const {
    return std::vector<std::string>{text};
  }

  absl::StatusOr<Value> ParseAs(const NumberType& type,
                                const OptionSpec& option,
                                const std::string& text) const {
    std::vector<uint64_t> numbers;
    for (const std::string& entry : SplitEntries(text, type.arity)) {
      if (!ParseNumber(entry, type.low, type.high, numbers.emplace_back())) {
        return Fail(option.name,
                    absl::StrCat("\"", entry, "\" is not a number from ",
                                 type.low, " to ", type.high));
      }
    }
    return numbers;
  }

  absl::StatusOr<Value> ParseAs(const PowerOfTwoType& type,
                                const OptionSpec& option,
                                const std::string& text) const {
    uint64_t number = 0;
    if (!ParseNumber(text, type.low, type.high, number) ||
        !std::has_single_bit(number)) {
      return Fail(option.name,
                  absl::StrCat("\"", text, "\" is not a power of two from ",
                               type.low, " to ", type.high));
    }
    return std::vector<uint64_t>{number};
  }

  absl::StatusOr<Value> ParseAs(const PercentType& type,
                                const OptionSpec& option,
                                const std::string& text) const {
    std::vector<double> percents;
    for (const std::string& entry : SplitEntries(text, type.arity)) {
      if (!ParsePercent(entry, type.low, percents.emplace_back())) {
        return Fail(option.name,
                    absl::StrCat("\"", entry, "\" is not a percentage from ",
                                 type.low, " to 100"));
      }
    }
    return percents;
  }

  absl::StatusOr<Value> ParseAs(const NameType& type, const OptionSpec& option,
                                const std::string& text) const {
    std::vector<std::string> names = SplitEntries(text, type.arity);
    for (const std::string& name : names) {
      if (std::find(type.known.begin(), type.known.end(), name) ==
          type.known.end()) {
        return Fail(option.name,
                    absl::StrCat("unknown ", Abs(type.noun), " \"", name,
                                 "\"; known are ", List(type.known)));
      }
    }
    return names;
  }

  const VerbSpec& verb_;
  Args args_;
};

absl::StatusOr<Args> Args::Parse(const VerbSpec& verb,
                                 std::span<const std::string> words) {
  return Parser(verb).Parse(words);
}

const Args::Option& Args::Find(std::string_view option) const {
  const auto found = options_.find(option);
  if (found == options_.end()) std::abort();
  return found->second;
}

template <class T>
const std::vector<T>& Args::ValuesOf(std::string_view option) const {
  const auto* const values = std::get_if<std::vector<T>>(&Find(option).value);
  if (values == nullptr) std::abort();
  return *values;
}

bool Args::Has(std::string_view option) const { return Find(option).is_given; }

const std::string& Args::Text(std::string_view option) const {
  static const std::string kEmpty;
  const std::vector<std::string>& values = ValuesOf<std::string>(option);
  return values.empty() ? kEmpty : values.front();
}

uint64_t Args::Number(std::string_view option) const {
  return ValuesOf<uint64_t>(option).at(0);
}

double Args::Percent(std::string_view option) const {
  return ValuesOf<double>(option).at(0);
}

const std::string& Args::Name(std::string_view option) const {
  return ValuesOf<std::string>(option).at(0);
}

const std::vector<uint64_t>& Args::Numbers(std::string_view option) const {
  return ValuesOf<uint64_t>(option);
}

const std::vector<double>& Args::Percents(std::string_view option) const {
  return ValuesOf<double>(option);
}

const std::vector<std::string>& Args::Names(std::string_view option) const {
  return ValuesOf<std::string>(option);
}

}  // namespace mpool::tools
