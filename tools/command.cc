// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "tools/command.h"

#include <string_view>

#include "absl/status/statusor.h"
#include "mpool/version.h"
#include "os/quote.h"
#include "tools/verbs/args.h"
#include "tools/verbs/help.h"
#include "tools/verbs/outcome.h"
#include "tools/verbs/verbs.h"

namespace mpool::tools {
namespace {

int FailUnknownVerb(const std::string& name, std::ostream& err) {
  err << "mpool: unknown verb \"" << os::Quoted(name) << "\"; known are";
  for (const VerbSpec* const verb : AllVerbs()) err << " " << verb->name << ",";
  err << " help\n";
  return static_cast<int>(ExitCode::kUsage);
}

int PrintHelp(std::span<const std::string> words, std::ostream& out,
              std::ostream& err) {
  if (words.empty()) {
    out << DescribeVerbs(AllVerbs());
    return 0;
  }
  const VerbSpec* const verb = FindVerb(words.front());
  if (verb == nullptr) return FailUnknownVerb(words.front(), err);
  out << DescribeVerb(*verb);
  return 0;
}

// True if the words ask for help instead of an action.
bool AsksForHelp(std::span<const std::string> words) {
  for (const std::string& word : words) {
    if (word == "--") return false;
    if (word == "--help" || word == "-h") return true;
  }
  return false;
}

}  // namespace

int RunCommand(std::span<const std::string> words, const Terminal& terminal,
               bool rich_out, std::ostream& out, std::ostream& err) {
  if (words.empty()) {
    err << DescribeVerbs(AllVerbs());
    return static_cast<int>(ExitCode::kUsage);
  }
  const std::string& name = words.front();
  const std::span<const std::string> rest = words.subspan(1);
  if (name == "--version") {
    out << "mpool " MPOOL_VERSION_STRING "\n";
    return 0;
  }
  if (name == "help" || name == "--help" || name == "-h") {
    return PrintHelp(rest, out, err);
  }
  const VerbSpec* const verb = FindVerb(name);
  if (verb == nullptr) return FailUnknownVerb(name, err);
  if (AsksForHelp(rest)) return PrintHelp(words.first(1), out, err);
  const absl::StatusOr<Args> args = Args::Parse(*verb, rest);
  const Outcome outcome = args.ok()
                              ? verb->run(*args, {terminal, err})
                              : Outcome::Fail(ExitCode::kUsage, args.status());
  if (!outcome.table.columns.empty()) {
    Print(outcome.table, outcome.format, rich_out, out);
  }
  if (!outcome.more.columns.empty() && outcome.format == Format::kText) {
    out << "\n";
    Print(outcome.more, outcome.format, rich_out, out);
  }
  for (const std::string& message : outcome.messages) {
    err << "mpool: " << os::Quoted(message) << "\n";
  }
  if (outcome.exit_code == ExitCode::kUsage) {
    err << "mpool: \"mpool help " << name << "\" describes its options\n";
  }
  return static_cast<int>(outcome.exit_code);
}

}  // namespace mpool::tools
