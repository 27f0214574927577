// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "tools/verbs/help.h"

#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "mpool/version.h"
#include "os/status.h"

namespace mpool::tools {
namespace {

using os::Abs;

constexpr size_t kColumns = 80;
// Column of the help of an option.
constexpr size_t kHelpColumn = 27;

constexpr std::string_view kExitCodes =
    "Exit codes: 0 success, 1 an error was found, 2 wrong usage, 3 a trace, "
    "home or\nenvironment cannot be opened.\n";

std::string DescribeSynopsis(const VerbSpec& verb) {
  return absl::StrCat("mpool ", Abs(verb.name), " ", Abs(verb.operands.names),
                      verb.options.empty() ? "" : " [options]", "\n");
}

std::string DescribeValue(const OptionSpec& option) {
  std::string text(option.help);
  if (const auto* names = std::get_if<NameType>(&option.type)) {
    const char* separator = ": ";
    for (const std::string_view name : names->known) {
      absl::StrAppend(&text, separator, Abs(name));
      separator = ", ";
    }
  }
  if (!option.fallback.empty()) {
    absl::StrAppend(&text, " (", Abs(option.fallback), ")");
  }
  return text;
}

// Returns the name, and beside it the help, broken into lines.
std::string DescribeOption(const OptionSpec& option) {
  std::string line = absl::StrCat("  ", Abs(option.name));
  if (!option.value_name.empty()) {
    absl::StrAppend(&line, " ", Abs(option.value_name));
  }
  std::string text;
  bool is_line_start = true;
  const std::string help = DescribeValue(option);
  for (const auto& word : absl::StrSplit(help, ' ')) {
    if (!is_line_start && line.size() + 1 + word.size() > kColumns) {
      absl::StrAppend(&text, line, "\n");
      line.clear();
      is_line_start = true;
    }
    if (is_line_start && line.size() < kHelpColumn) {
      line.resize(kHelpColumn, ' ');
    } else {
      line += ' ';
    }
    absl::StrAppend(&line, word);
    is_line_start = false;
  }
  return absl::StrCat(text, line, "\n");
}

}  // namespace

std::string DescribeVerbs(std::span<const VerbSpec* const> verbs) {
  std::string text =
      "mpool " MPOOL_VERSION_STRING ": a page cache that processes share\n\n";
  for (const VerbSpec* const verb : verbs) {
    absl::StrAppend(&text, DescribeSynopsis(*verb), "  ", Abs(verb->summary),
                    "\n");
  }
  absl::StrAppend(&text,
                  "mpool help [VERB]\n  Prints this overview, or the options "
                  "of a verb.\nmpool --version\n  Prints the version.\n\n",
                  Abs(kExitCodes));
  return text;
}

std::string DescribeVerb(const VerbSpec& verb) {
  std::string text =
      absl::StrCat(DescribeSynopsis(verb), "  ", Abs(verb.summary), "\n");
  if (!verb.help.empty()) absl::StrAppend(&text, "\n", Abs(verb.help));
  text += "\n";
  for (const OptionSpec& option : verb.options) text += DescribeOption(option);
  return text;
}

}  // namespace mpool::tools
