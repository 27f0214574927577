// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "tools/verbs/args.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
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

const OptionSpec* FindOption(std::span<const OptionSpec> options,
                             std::string_view name) {
  for (const OptionSpec& option : options) {
    if (option.name == name) return &option;
  }
  return nullptr;
}

}  // namespace

absl::StatusOr<Args> Args::Parse(std::string_view verb,
                                 std::span<const std::string> words,
                                 std::span<const OptionSpec> options) {
  Args args(verb);
  bool options_ended = false;
  for (size_t i = 0; i < words.size(); ++i) {
    const std::string_view word = words[i];
    if (options_ended || word.size() < 2 || word.front() != '-') {
      args.positional_.emplace_back(word);
      continue;
    }
    if (word == "--") {
      options_ended = true;
      continue;
    }
    const size_t equals = word.find('=');
    const std::string_view name = word.substr(0, equals);
    const OptionSpec* const option = FindOption(options, name);
    if (option == nullptr) {
      std::vector<std::string_view> names;
      for (const OptionSpec& known : options) names.push_back(known.name);
      return args.Bad(name,
                      absl::StrCat("unknown option; known are ", List(names)));
    }
    std::string value;
    if (equals != std::string_view::npos) {
      if (!option->takes_value) return args.Bad(name, "takes no value");
      value = word.substr(equals + 1);
    } else if (option->takes_value) {
      if (i + 1 == words.size()) return args.Bad(name, "needs a value");
      value = words[++i];
    }
    MPOOL_RETURN_IF_ERROR(args.Add(name, std::move(value)));
  }
  return args;
}

absl::Status Args::Add(std::string_view name, std::string value) {
  if (!values_.emplace(name, std::move(value)).second) {
    return Bad(name, "is given twice");
  }
  return absl::OkStatus();
}

absl::Status Args::Bad(std::string_view option,
                       std::string_view problem) const {
  return absl::InvalidArgumentError(
      absl::StrCat(verb_, ": ", Abs(option), ": ", Abs(problem)));
}

bool Args::Has(std::string_view option) const {
  return values_.find(option) != values_.end();
}

std::string Args::Text(std::string_view option, std::string fallback) const {
  const auto found = values_.find(option);
  return found == values_.end() ? fallback : found->second;
}

absl::StatusOr<uint64_t> Args::ParseNumber(std::string_view option,
                                           const std::string& text,
                                           uint64_t low, uint64_t high) const {
  uint64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc() || rest != end || number < low || number > high) {
    return Bad(option, absl::StrCat("\"", text, "\" is not a number from ", low,
                                    " to ", high));
  }
  return number;
}

absl::StatusOr<double> Args::ParsePercent(std::string_view option,
                                          const std::string& text,
                                          double low) const {
  double percent = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, error] =
      std::from_chars(text.data(), end, percent, std::chars_format::fixed);
  const bool in_range = percent >= low && percent <= 100;
  if (error != std::errc() || rest != end || !in_range) {
    return Bad(option, absl::StrCat("\"", text, "\" is not a percentage from ",
                                    low, " to 100"));
  }
  return percent;
}

std::vector<std::string> Args::Entries(std::string_view option) const {
  if (!Has(option)) return {};
  return absl::StrSplit(Text(option), ',');
}

absl::StatusOr<uint64_t> Args::Number(std::string_view option,
                                      uint64_t fallback, uint64_t low,
                                      uint64_t high) const {
  if (!Has(option)) return fallback;
  return ParseNumber(option, Text(option), low, high);
}

absl::StatusOr<double> Args::Percent(std::string_view option, double fallback,
                                     double low) const {
  if (!Has(option)) return fallback;
  return ParsePercent(option, Text(option), low);
}

absl::StatusOr<std::vector<uint64_t>> Args::Numbers(std::string_view option,
                                                    uint64_t low,
                                                    uint64_t high) const {
  std::vector<uint64_t> numbers;
  for (const std::string& entry : Entries(option)) {
    MPOOL_ASSIGN_OR_RETURN(uint64_t number,
                           ParseNumber(option, entry, low, high));
    numbers.push_back(number);
  }
  return numbers;
}

absl::StatusOr<std::vector<double>> Args::Percents(std::string_view option,
                                                   double low) const {
  std::vector<double> percents;
  for (const std::string& entry : Entries(option)) {
    MPOOL_ASSIGN_OR_RETURN(double percent, ParsePercent(option, entry, low));
    percents.push_back(percent);
  }
  return percents;
}

absl::StatusOr<std::vector<std::string>> Args::Words(
    std::string_view option, std::string_view what,
    std::span<const std::string_view> known) const {
  std::vector<std::string> words = Entries(option);
  for (const std::string& word : words) {
    if (std::find(known.begin(), known.end(), word) == known.end()) {
      return Bad(option, absl::StrCat("unknown ", Abs(what), " \"", word,
                                      "\"; known are ", List(known)));
    }
  }
  return words;
}

absl::StatusOr<std::string> Args::Word(
    std::string_view option, std::string_view what, std::string fallback,
    std::span<const std::string_view> known) const {
  MPOOL_ASSIGN_OR_RETURN(std::vector<std::string> words,
                         Words(option, what, known));
  if (words.empty()) return fallback;
  if (words.size() > 1) {
    return Bad(option, absl::StrCat("takes one ", Abs(what)));
  }
  return words.front();
}

}  // namespace mpool::tools
