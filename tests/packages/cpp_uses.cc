// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <regex>
#include <set>
#include <utility>

#include "tests/packages/shell.h"
#include "tests/packages/uses.h"

namespace mpool::packages {
namespace {

namespace fs = std::filesystem;

constexpr auto kHere = std::regex_constants::match_continuous;

constexpr const char* kRunners[] = {"system", "popen",   "execlp",
                                    "execvp", "execvpe", "posix_spawnp"};

// Returns the offsets of the arguments of each call of `function`.
std::vector<size_t> CallsIn(const std::string& text,
                            const std::string& function) {
  std::vector<size_t> calls;
  const std::string call = function + "(";
  for (size_t at = text.find(call); at != std::string::npos;
       at = text.find(call, at + 1)) {
    const char before = at == 0 ? ' ' : text[at - 1];
    if (std::isalnum(static_cast<unsigned char>(before)) == 0 &&
        before != '_') {
      calls.push_back(at + call.size());
    }
  }
  return calls;
}

// Returns the name of the function that begins at this line of code, or "".
std::string FunctionAt(const std::string& line) {
  static const std::regex kHead("[A-Za-z][^;=]*?(\\w+)\\(.*");
  std::smatch head;
  return std::regex_match(line, head, kHead) ? head.str(1) : "";
}

// Returns the functions that run a program, which call one of kRunners. The
// head of a function begins at the start of a line.
std::set<std::string> RunnersOf(const Tree& tree) {
  std::set<std::string> runners;
  for (const tidy::Source& source : tree) {
    for (size_t i = 0; i < source.code.size(); ++i) {
      if (std::all_of(std::begin(kRunners), std::end(kRunners),
                      [&](const char* name) {
                        return CallsIn(source.code[i], name).empty();
                      })) {
        continue;
      }
      std::string function;
      for (size_t j = i; j-- > 0 && function.empty();) {
        if (source.code[j].starts_with('}')) break;
        function = FunctionAt(source.code[j]);
      }
      if (!function.empty() && !function.starts_with("TEST")) {
        runners.insert(function);
      }
    }
  }
  return runners;
}

size_t LineAt(const std::string& text, size_t position) {
  return 1 + static_cast<size_t>(std::count(
                 text.begin(),
                 text.begin() + static_cast<std::ptrdiff_t>(position), '\n'));
}

}  // namespace

Uses HeadersOf(const Tree& tree) {
  static const std::regex kInclude("\\s*#\\s*include\\s*[\"<]([^\">]+)[\">].*");
  std::set<std::string> paths;
  for (const tidy::Source& source : tree) paths.insert(source.path);
  Uses uses;
  for (const tidy::Source& source : tree) {
    const std::string folder =
        source.path.substr(0, source.path.rfind('/') + 1);
    for (size_t i = 0; i < source.statements.size(); ++i) {
      std::smatch include;
      if (!std::regex_match(source.statements[i], include, kInclude)) continue;
      const std::string name = include.str(1);
      if (paths.count(name) == 0 && paths.count("include/" + name) == 0 &&
          paths.count(folder + name) == 0) {
        uses.push_back({source.path, i + 1, Kind::kHeader, name});
      }
    }
  }
  return uses;
}

Uses ProgramsOfCpp(const Tree& tree) {
  static const std::regex kPath("\"/(usr/)?s?bin/([\\w.+-]+)");
  // The command is the first argument, or the second one of posix_spawnp.
  static const std::regex kCommand(
      "\\s*([^\",;(){}]*,)?\\s*(absl::StrCat\\(\\s*)?\\{?\\s*"
      "\"((\\\\.|[^\"\\\\])*)");
  std::set<std::string> runners = RunnersOf(tree);
  runners.insert(std::begin(kRunners), std::end(kRunners));
  Uses uses;
  for (const tidy::Source& source : tree) {
    const std::string text = tidy::Join(source.statements);
    const auto add = [&](size_t at, const std::string& name) {
      uses.push_back({source.path, LineAt(text, at), Kind::kProgram, name});
    };
    for (size_t at = text.find("\"/"); at != std::string::npos;
         at = text.find("\"/", at + 1)) {
      std::smatch path;
      if (std::regex_search(text.begin() + static_cast<std::ptrdiff_t>(at),
                            text.end(), path, kPath, kHere)) {
        add(at, path.str(2));
      }
    }
    for (const std::string& runner : runners) {
      for (const size_t at : CallsIn(text, runner)) {
        std::smatch first;
        if (!std::regex_search(text.begin() + static_cast<std::ptrdiff_t>(at),
                               text.end(), first, kCommand, kHere)) {
          continue;
        }
        for (const Command& command : CommandsOf(first.str(3))) {
          add(at, command.name);
        }
      }
    }
  }
  return uses;
}

Uses ProgramsOfScripts(const Tree& tree) {
  Uses uses;
  for (const tidy::Source& source : tree) {
    for (Command& command : CommandsOf(tidy::Join(source.lines))) {
      uses.push_back(
          {source.path, command.line, Kind::kProgram, std::move(command.name)});
    }
  }
  return uses;
}

Tree LoadScripts(const std::string& root) {
  Tree scripts;
  for (auto it = fs::recursive_directory_iterator(root);
       it != fs::recursive_directory_iterator(); ++it) {
    const std::string name = it->path().filename().string();
    if (it->is_directory()) {
      if (name == ".git" || (it.depth() == 0 && name.starts_with("build"))) {
        it.disable_recursion_pending();
      }
    } else if (it->is_regular_file()) {
      std::ifstream in(it->path(), std::ios::binary);
      char begin[2] = {};
      if (!in.read(begin, 2) || begin[0] != '#' || begin[1] != '!') continue;
      in.seekg(0);
      scripts.push_back(tidy::MakeSource(
          it->path().lexically_relative(root).string(),
          std::string(std::istreambuf_iterator<char>(in), {})));
    }
  }
  return scripts;
}

}  // namespace mpool::packages
