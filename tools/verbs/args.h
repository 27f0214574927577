// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// args.h - the words after a verb: checked options and operands.
//
// "--name value" and "--name=value" are the same; "--" ends the options.

#ifndef MPOOL_TOOLS_VERBS_ARGS_H_
#define MPOOL_TOOLS_VERBS_ARGS_H_

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "tools/verbs/option.h"
#include "tools/verbs/verb.h"

namespace mpool::tools {

// Parses a number of bytes: digits, then nothing or one of k, M and G, the
// powers of 1024. Returns nullopt for other text and for numbers of 2^64 or
// more.
std::optional<uint64_t> ParseBytes(std::string_view text);

class Args {
 public:
  // Checks every word against the specification of `verb`. Every error is
  // InvalidArgument. It names the verb, the option and the valid values.
  static absl::StatusOr<Args> Parse(const VerbSpec& verb,
                                    std::span<const std::string> words);

  const std::vector<std::string>& operands() const { return operands_; }

  // True if the command line has the option.
  bool Has(std::string_view option) const;

  // Each of these returns the value of an option, or its default. Without
  // default, a list is empty and a text is "".
  // REQUIRES: the specification has the option, of the type that the function
  // names. A single number, percentage or name has a default.
  const std::string& Text(std::string_view option) const;
  uint64_t Number(std::string_view option) const;
  double Percent(std::string_view option) const;
  const std::string& Name(std::string_view option) const;
  const std::vector<uint64_t>& Numbers(std::string_view option) const;
  const std::vector<double>& Percents(std::string_view option) const;
  const std::vector<std::string>& Names(std::string_view option) const;

 private:
  // Texts and names are strings.
  using Value = std::variant<std::vector<std::string>, std::vector<uint64_t>,
                             std::vector<double>>;
  struct Option {
    bool is_given = false;
    Value value;
  };
  class Parser;

  const Option& Find(std::string_view option) const;
  template <class T>
  const std::vector<T>& ValuesOf(std::string_view option) const;

  std::vector<std::string> operands_;
  std::map<std::string, Option, std::less<>> options_;
};

}  // namespace mpool::tools

#endif  // MPOOL_TOOLS_VERBS_ARGS_H_
