// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "tests/tidy/calls.h"

#include <filesystem>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

namespace mpool::tidy {

Symbols ParseSymbols(const std::string& nm_output) {
  Symbols symbols;
  std::istringstream lines(nm_output);
  std::string line;
  while (std::getline(lines, line)) {
    std::istringstream fields(line);
    std::string name;
    std::string kind;
    if (!(fields >> name >> kind)) continue;
    // Weak symbols (W, V) are in every file that uses an inline function.
    if (kind == "U") symbols.used.insert(name);
    if (std::string("TDRB").find(kind) != std::string::npos) {
      symbols.defined.insert(name);
    }
  }
  return symbols;
}

Calls CallsBetweenFiles(const std::map<std::string, Symbols>& objects) {
  std::map<std::string, std::string> definer;
  for (const auto& [file, symbols] : objects) {
    for (const std::string& name : symbols.defined) definer[name] = file;
  }
  Calls calls;
  for (const auto& [file, symbols] : objects) {
    for (const std::string& name : symbols.used) {
      const auto callee = definer.find(name);
      if (callee != definer.end() && callee->second != file) {
        calls[file].insert(callee->second);
      }
    }
  }
  return calls;
}

Calls CallsBetweenFolders(const Calls& files) {
  auto folder = [](const std::string& file) {
    return std::filesystem::path(file).parent_path().string();
  };
  Calls calls;
  for (const auto& [file, callees] : files) {
    for (const std::string& callee : callees) {
      if (folder(file) != folder(callee)) {
        calls[folder(file)].insert(folder(callee));
      }
    }
  }
  return calls;
}

std::vector<std::string> Circles(const Calls& calls) {
  std::vector<std::string> circles;
  for (const auto& [start, callees] : calls) {
    // A breadth-first search finds the shortest way back to the start.
    std::map<std::string, std::string> found_from;
    std::vector<std::string> queue = {start};
    for (size_t i = 0; i < queue.size() && !found_from.contains(start); ++i) {
      const auto next = calls.find(queue[i]);
      if (next == calls.end()) continue;
      for (const std::string& callee : next->second) {
        if (found_from.emplace(callee, queue[i]).second) {
          queue.push_back(callee);
        }
      }
    }
    if (!found_from.contains(start)) continue;
    std::vector<std::string> path = {start};
    do {
      path.insert(path.begin(), found_from[path.front()]);
    } while (path.front() != start);
    circles.push_back(absl::StrJoin(path, " -> "));
  }
  return circles;
}

}  // namespace mpool::tidy
