// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "tests/packages/debian.h"

#include <stdio.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <regex>
#include <string_view>
#include <utility>

namespace mpool::packages {
namespace {

std::vector<std::string> Split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  while (true) {
    const size_t end = text.find(separator);
    parts.emplace_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

// " libc6 (>= 2.34)" is libc6, and "perl:any" is perl.
std::string NameOf(std::string_view relation) {
  const size_t begin = relation.find_first_not_of(' ');
  if (begin == std::string_view::npos) return "";
  relation.remove_prefix(begin);
  return std::string(relation.substr(0, relation.find_first_of(" (:")));
}

std::vector<std::string> NamesOf(std::string_view relations, char separator) {
  std::vector<std::string> names;
  for (const std::string& relation : Split(relations, separator)) {
    std::string name = NameOf(relation);
    if (!name.empty()) names.push_back(std::move(name));
  }
  return names;
}

std::vector<std::string> LinesOfCommand(const std::string& command) {
  FILE* pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) std::abort();
  std::string text;
  std::array<char, 1 << 16> buffer;
  for (size_t size;
       (size = fread(buffer.data(), 1, buffer.size(), pipe)) > 0;) {
    text.append(buffer.data(), size);
  }
  pclose(pipe);
  return Split(text, '\n');
}

}  // namespace

std::map<std::string, Names> ListsOf(const std::string& dev) {
  static const std::regex kList("\\b(packages\\w*)=\\(([^)]*)\\)");
  static const std::regex kName("[a-z0-9][a-z0-9.+-]+");
  std::map<std::string, Names> lists;
  for (std::sregex_iterator list(dev.begin(), dev.end(), kList), end;
       list != end; ++list) {
    const std::string text = list->str(2);
    for (std::sregex_iterator name(text.begin(), text.end(), kName);
         name != end; ++name) {
      lists[list->str(1)].insert(name->str());
    }
  }
  return lists;
}

Debian Debian::Installed() {
  Debian debian;
  for (const std::string& line :
       LinesOfCommand("dpkg-query -W -f='${Package}\\t${binary:Package}\\t"
                      "${db:Status-Status}\\t${Essential}\\t${Provides}\\t"
                      "${Pre-Depends}\\t${Depends}\\n'")) {
    debian.Add(line);
  }
  return debian;
}

void Debian::Add(const std::string& line) {
  const std::vector<std::string> fields = Split(line, '\t');
  if (fields.size() != 7 || fields[2] != "installed") return;
  Package package{fields[1], fields[3] == "yes", NamesOf(fields[4], ','), {}};
  for (const size_t field : {5u, 6u}) {
    for (const std::string& choices : Split(fields[field], ',')) {
      std::vector<std::string> names = NamesOf(choices, '|');
      if (!names.empty()) package.depends.push_back(std::move(names));
    }
  }
  for (const std::string& name : package.provides) {
    providers_[name].insert(fields[0]);
  }
  // The machine's own architecture has no suffix, or is listed first.
  packages_.emplace(fields[0], std::move(package));
}

bool Debian::Has(const std::string& package) const {
  return packages_.count(package) != 0;
}

std::string Debian::Choose(const std::vector<std::string>& choices,
                           const Names& taken) const {
  for (const std::string& choice : choices) {
    if (taken.count(choice) != 0) return choice;
  }
  for (const std::string& choice : choices) {
    if (Has(choice)) return choice;
    const auto providers = providers_.find(choice);
    if (providers != providers_.end()) return *providers->second.begin();
  }
  return "";
}

Names Debian::Closure(const Names& packages) const {
  Names closure;
  std::vector<std::string> todo = {"apt"};
  todo.insert(todo.end(), packages.begin(), packages.end());
  for (const auto& [name, package] : packages_) {
    if (package.essential) todo.push_back(name);
  }
  while (!todo.empty()) {
    const std::string name = std::move(todo.back());
    todo.pop_back();
    const auto found = packages_.find(name);
    if (found == packages_.end() || !closure.insert(name).second) continue;
    for (const std::vector<std::string>& choices : found->second.depends) {
      std::string choice = Choose(choices, closure);
      if (!choice.empty()) todo.push_back(std::move(choice));
    }
  }
  return closure;
}

Names Debian::Files(const Names& packages) const {
  Names files;
  LoadFiles(packages);
  for (const std::string& name : packages) {
    const auto found = packages_.find(name);
    if (found == packages_.end()) continue;
    const std::vector<std::string>& own = files_[found->second.full_name];
    files.insert(own.begin(), own.end());
    for (const std::string& provided : found->second.provides) {
      const std::string program = "/usr/bin/" + provided;
      if (access(program.c_str(), X_OK) == 0) files.insert(program);
    }
  }
  return files;
}

void Debian::LoadFiles(const Names& packages) const {
  std::string names;
  for (const std::string& name : packages) {
    const auto found = packages_.find(name);
    if (found != packages_.end() &&
        files_.emplace(found->second.full_name, 0).second) {
      names += " " + found->second.full_name;
    }
  }
  if (names.empty()) return;
  std::vector<std::string>* files = nullptr;
  for (const std::string& line : LinesOfCommand(
           "dpkg-query -W -f='${binary:Package}\\n${db-fsys:Files}'" + names)) {
    if (!line.starts_with(' ')) {
      files = &files_[line];
    } else if (files != nullptr) {
      files->push_back(line.substr(1));
    }
  }
}

}  // namespace mpool::packages
