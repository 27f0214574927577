// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// args.h - the words after a verb: options and their arguments.
//
// "--name value" and "--name=value" are the same; "--" ends the options. Every
// error is InvalidArgument and names the verb, the option and its valid values.

#ifndef MPOOL_TOOLS_VERBS_ARGS_H_
#define MPOOL_TOOLS_VERBS_ARGS_H_

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace mpool::tools {

struct OptionSpec {
  std::string_view name;  // with its dashes
  bool takes_value = false;
};

class Args {
 public:
  static absl::StatusOr<Args> Parse(std::string_view verb,
                                    std::span<const std::string> words,
                                    std::span<const OptionSpec> options);

  const std::vector<std::string>& positional() const { return positional_; }

  bool Has(std::string_view option) const;
  std::string Text(std::string_view option, std::string fallback = "") const;
  // Returns a decimal number in [low, high].
  absl::StatusOr<uint64_t> Number(std::string_view option, uint64_t fallback,
                                  uint64_t low, uint64_t high) const;
  // Returns a decimal fraction in [low, 100].
  absl::StatusOr<double> Percent(std::string_view option, double fallback,
                                 double low) const;

  // Return comma-separated lists, with at least one entry; empty if the option
  // is absent.
  absl::StatusOr<std::vector<uint64_t>> Numbers(std::string_view option,
                                                uint64_t low,
                                                uint64_t high) const;
  absl::StatusOr<std::vector<double>> Percents(std::string_view option,
                                               double low) const;
  // Returns entries of `known`. The error for an unknown entry lists all known
  // ones. `what` names the kind of entry: "policy".
  absl::StatusOr<std::vector<std::string>> Words(
      std::string_view option, std::string_view what,
      std::span<const std::string_view> known) const;
  // As Words, with exactly one word.
  absl::StatusOr<std::string> Word(
      std::string_view option, std::string_view what, std::string fallback,
      std::span<const std::string_view> known) const;

 private:
  explicit Args(std::string_view verb) : verb_(verb) {}

  absl::Status Add(std::string_view name, std::string value);
  absl::Status Bad(std::string_view option, std::string_view problem) const;
  absl::StatusOr<uint64_t> ParseNumber(std::string_view option,
                                       const std::string& text, uint64_t low,
                                       uint64_t high) const;
  absl::StatusOr<double> ParsePercent(std::string_view option,
                                      const std::string& text,
                                      double low) const;
  std::vector<std::string> Entries(std::string_view option) const;

  std::string verb_;
  std::vector<std::string> positional_;
  std::map<std::string, std::string, std::less<>> values_;
};

}  // namespace mpool::tools

#endif  // MPOOL_TOOLS_VERBS_ARGS_H_
