// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include <algorithm>
#include <cstddef>
#include <fstream>
#include <regex>
#include <set>
#include <sstream>
#include <string>

#include "tests/packages/uses.h"

namespace mpool::packages {
namespace {

bool IsCMake(const std::string& path) {
  return path.ends_with("CMakeLists.txt") || path.ends_with(".cmake") ||
         path.ends_with(".cmake.in");
}

// Returns a line without its comment.
std::string CodeOf(const std::string& line) {
  if (line.starts_with('#')) return "";
  return line.substr(0, line.find(" #"));
}

// Returns the first argument of each call of `callee`.
std::set<std::string> FirstArguments(const Tree& tree,
                                     const std::string& callee) {
  const std::regex call("\\b(" + callee + ")\\(\\s*(\\w+)");
  std::set<std::string> names;
  for (const tidy::Source& source : tree) {
    if (!IsCMake(source.path)) continue;
    const std::string text = tidy::Join(source.lines);
    for (std::sregex_iterator it(text.begin(), text.end(), call), end;
         it != end; ++it) {
      names.insert(it->str(2));
    }
  }
  return names;
}

// Finds the uses of one file.
class Finder {
 public:
  Finder(const tidy::Source& source, Uses* uses)
      : source_(source), uses_(uses) {
    for (const std::string& line : source.lines) {
      text_.append(CodeOf(line)).append("\n");
    }
  }

  // Adds each first group of `pattern` as a name.
  void Add(Kind kind, const std::string& pattern,
           const std::set<std::string>& own) {
    const std::regex regex(pattern);
    for (std::sregex_iterator it(text_.begin(), text_.end(), regex), end;
         it != end; ++it) {
      if (own.count(it->str(1)) == 0) AddOne(kind, it->str(1), it->position(1));
    }
  }

  void AddIf(const char* text, const char* program) {
    const size_t position = text_.find(text);
    if (position == std::string::npos) return;
    AddOne(Kind::kProgram, program, static_cast<std::ptrdiff_t>(position));
  }

  // Each first group has the words of a call: a variable, then names up to a
  // keyword in capitals.
  void AddWords(Kind kind, const char* pattern) {
    const std::regex regex(pattern);
    static const std::regex kKeyword("[A-Z_]+");
    for (std::sregex_iterator it(text_.begin(), text_.end(), regex), end;
         it != end; ++it) {
      std::istringstream words(it->str(1));
      std::string word;
      words >> word;
      while (words >> word) {
        if (word == "NAMES" || word == "REQUIRED") continue;
        if (std::regex_match(word, kKeyword)) break;
        AddOne(kind, word, it->position());
      }
    }
  }

 private:
  void AddOne(Kind kind, const std::string& name, std::ptrdiff_t position) {
    const auto line = std::count(text_.begin(), text_.begin() + position, '\n');
    uses_->push_back({source_.path, static_cast<size_t>(line) + 1, kind, name});
  }

  const tidy::Source& source_;
  Uses* const uses_;
  std::string text_;
};

}  // namespace

Uses UsesOfCMake(const Tree& tree) {
  const std::set<std::string> own =
      FirstArguments(tree, "add_executable|add_library|mpool_test");
  // Imported targets are in the namespace of their package.
  std::string target = "\\b(?:";
  for (const std::string& package : FirstArguments(tree, "find_package")) {
    if (package != "mpool") target += package + "|";
  }
  target.back() = ')';
  Uses uses;
  for (const tidy::Source& source : tree) {
    Finder finder(source, &uses);
    if (source.path == "CMakePresets.json") {
      finder.AddIf("\"generator\": \"Ninja\"", "ninja");
    }
    if (!IsCMake(source.path)) continue;
    finder.Add(Kind::kPackage, "\\bfind_(?:package|dependency)\\(\\s*(\\w+)",
               {"mpool"});
    finder.Add(Kind::kTarget, "(" + target + "::\\w+)", {});
    finder.Add(Kind::kProgram, "\\b(?:run\\(|COMMAND\\s)\\s*([a-z][\\w.+-]*)",
               own);
    finder.AddIf("LANGUAGES CXX", "g++");
    finder.AddWords(Kind::kHeader, "\\bfind_(?:path|file)\\(([^)]*)\\)");
    finder.AddWords(Kind::kLibrary, "\\bfind_library\\(([^)]*)\\)");
    finder.AddWords(Kind::kProgram, "\\bfind_program\\(([^)]*)\\)");
    finder.AddWords(Kind::kModule,
                    "\\bpkg_(?:check|search)_modules?\\(([^)]*)\\)");
  }
  return uses;
}

Uses CompilersOfPresets(const Tree& tree) {
  Uses uses;
  for (const tidy::Source& source : tree) {
    if (source.path != "CMakePresets.json") continue;
    Finder finder(source, &uses);
    finder.Add(Kind::kProgram, "\"CMAKE_CXX_COMPILER\": \"([\\w.+-]+)\"", {});
  }
  return uses;
}

Uses FoundByBuild(const std::string& build) {
  static const std::regex kFound(
      "(?!CMAKE_)(\\w+:FILEPATH|\\w+_DIR:PATH)=(/usr/(?!local/).*)");
  static const std::regex kModules("Requires(\\.private)?:(.*)");
  Uses uses;
  std::string line;
  std::ifstream cache(build + "/CMakeCache.txt");
  for (size_t i = 1; std::getline(cache, line); ++i) {
    std::smatch found;
    if (std::regex_match(line, found, kFound)) {
      uses.push_back({"CMakeCache.txt", i, Kind::kFile, found.str(2)});
    }
  }
  std::ifstream modules(build + "/mpool.pc");
  for (size_t i = 1; std::getline(modules, line); ++i) {
    std::smatch found;
    if (!std::regex_match(line, found, kModules)) continue;
    std::istringstream words(found.str(2));
    for (std::string word; words >> word;) {
      uses.push_back({"mpool.pc", i, Kind::kModule, word});
    }
  }
  return uses;
}

}  // namespace mpool::packages
