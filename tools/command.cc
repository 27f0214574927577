// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "tools/command.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "mpool/version.h"
#include "tools/verbs/verbs.h"

namespace mpool::tools {
namespace {

struct Entry {
  std::string_view name;
  std::string_view synopsis;
  std::string_view help;
  Verb run;
};

constexpr std::array<Entry, 6> kVerbs = {{
    {"replay", "replay TRACE... [options]",
     R"(  Replays page reference traces through a real pool; tells what it hit.
  --cache-frames N,N,...   cache sizes in frames, from 16
  --cache-percent P,P,...  cache sizes as a share of the distinct pages, at
                           least 64 frames (1,5,10,25)
  --policy P,P,...         lru, clock (clock)
  --processes N            processes that share the pool (1)
  --threads N              threads of each process (1)
  --page-size B            512 to 65536, a power of two (4096)
  --write-percent P        references that write, on top of those that the
                           trace marks (0)
  --seed S                 which of them (1)
  --verify                 pages describe themselves; check them at every get
                           and on disk after the last close
  --backing B              posix-shm, file, sysv; for one process also
                           anonymous, dev-zero, heap, sysv-private (posix-shm)
  --home DIR               where environment and page file live while it runs
                           (a directory below $TMPDIR or /tmp)
  --html FILE              a report with charts, beside LRU and OPT
  --bench-json FILE        adds a chart of the benchmark's result to it
  --json                   rows as a JSON array
  --no-progress            no progress line on the terminal
)",
     ReplayVerb},
    {"simulate", "simulate TRACE... [options]",
     R"(  Tells what policies would hit on traces, without a pool.
  --cache-frames N,N,...   cache sizes in frames
  --cache-percent P,P,...  cache sizes as a share of the distinct pages, at
                           least 64 frames (1,5,10,25)
  --policy P,P,...         lru, clock, opt (all three)
  --json                   rows as a JSON array
  --no-progress            no progress line on the terminal
)",
     SimulateVerb},
    {"stat", "stat HOME [--json]",
     R"(  Prints the statistics of an environment without joining it.
)",
     StatVerb},
    {"holders", "holders HOME [--json]",
     R"(  Prints who holds which slots, pages and latches, for how long, and who
  of them is dead, without joining the environment.
)",
     HoldersVerb},
    {"resize", "resize HOME BYTES [--json]",
     R"(  Makes the cache of an environment larger or smaller, up to the
  max_cache_bytes that it was made with, while others work in it.
)",
     ResizeVerb},
    {"remove", "remove HOME [--force] [--json]",
     R"(  Writes back and removes an environment that nobody uses.
  --force                  give up pages that cannot be written
)",
     RemoveVerb},
}};

constexpr std::string_view kExitCodes =
    "Exit codes: 0 well, 1 it found something wrong, 2 usage, 3 cannot open "
    "(a trace,\na home, an environment).\n";

void PrintHelp(std::ostream& out) {
  out << "mpool " MPOOL_VERSION_STRING
         ": a page cache that processes share\n\n";
  for (const Entry& verb : kVerbs) {
    out << "mpool " << verb.synopsis << "\n" << verb.help << "\n";
  }
  out << "mpool help [VERB]\nmpool --version\n\n" << kExitCodes;
}

const Entry* FindVerb(std::string_view name) {
  const auto found =
      std::find_if(kVerbs.begin(), kVerbs.end(),
                   [&](const Entry& verb) { return verb.name == name; });
  return found == kVerbs.end() ? nullptr : found;
}

int UnknownVerb(const std::string& name, std::ostream& err) {
  err << "mpool: unknown verb \"" << name << "\"; known are";
  for (const Entry& verb : kVerbs) err << " " << verb.name << ",";
  err << " help\n";
  return static_cast<int>(ExitCode::kUsage);
}

int Help(std::span<const std::string> words, std::ostream& out,
         std::ostream& err) {
  if (words.empty()) {
    PrintHelp(out);
    return 0;
  }
  const Entry* const verb = FindVerb(words.front());
  if (verb == nullptr) return UnknownVerb(words.front(), err);
  out << "mpool " << verb->synopsis << "\n" << verb->help;
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
    PrintHelp(err);
    return static_cast<int>(ExitCode::kUsage);
  }
  const std::string& name = words.front();
  const std::span<const std::string> rest = words.subspan(1);
  if (name == "--version") {
    out << "mpool " MPOOL_VERSION_STRING "\n";
    return 0;
  }
  if (name == "help" || name == "--help" || name == "-h") {
    return Help(rest, out, err);
  }
  const Entry* const verb = FindVerb(name);
  if (verb == nullptr) return UnknownVerb(name, err);
  if (AsksForHelp(rest)) return Help(words.first(1), out, err);
  const Outcome outcome = verb->run(rest, {terminal, err});
  if (!outcome.table.columns.empty()) {
    Print(outcome.table, outcome.format, rich_out, out);
  }
  for (const std::string& message : outcome.messages) {
    err << "mpool: " << message << "\n";
  }
  if (outcome.exit_code == ExitCode::kUsage) {
    err << "mpool: \"mpool help " << name << "\" tells how it is used\n";
  }
  return static_cast<int>(outcome.exit_code);
}

}  // namespace mpool::tools
