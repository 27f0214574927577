// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "tests/support/footprint.h"

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "tests/support/temp_home.h"

namespace mpool::test {
namespace {

namespace fs = std::filesystem;

void AddDescriptors(std::vector<std::string>* lines) {
  std::error_code error;
  for (const fs::directory_entry& fd : fs::directory_iterator("/proc/self/fd",
                                                              error)) {
    const fs::path target = fs::read_symlink(fd.path(), error);
    // The fd that lists the others.
    if (target.string().ends_with("/fd")) continue;
    lines->push_back(absl::StrCat("fd ", fd.path().filename().string(), " ",
                                  target.string()));
  }
}

// Adds shared mappings, without addresses. Private mappings are not the
// library's.
void AddMappings(std::vector<std::string>* lines) {
  std::ifstream file("/proc/self/maps");
  for (std::string line; std::getline(file, line);) {
    uint64_t first = 0;
    uint64_t last = 0;
    char rights[8] = {};
    int path = 0;
    if (std::sscanf(line.c_str(),
                    "%" SCNx64 "-%" SCNx64 " %7s %*s %*s %*s %n", &first,
                    &last, rights, &path) != 3 ||
        rights[3] != 's') {
      continue;
    }
    lines->push_back(absl::StrCat("map ", last - first, " ", rights, " ",
                                  line.substr(static_cast<size_t>(path))));
  }
}

void AddSegments(std::vector<std::string>* lines) {
  std::ifstream file("/proc/sysvipc/shm");
  for (std::string line; std::getline(file, line);) {
    int id = 0;
    uint64_t size = 0;
    unsigned attached = 0;
    if (std::sscanf(line.c_str(), "%*d %d %*o %" SCNu64 " %*s %*s %u", &id,
                    &size, &attached) == 3) {
      lines->push_back(
          absl::StrCat("segment ", id, " ", size, " ", attached));
    }
  }
}

}  // namespace

std::vector<std::string> FootprintOf(const std::string& home) {
  std::vector<std::string> lines;
  AddDescriptors(&lines);
  AddMappings(&lines);
  AddSegments(&lines);
  for (const std::string& directory : {home, std::string("/dev/shm")}) {
    for (const std::string& name : FilesIn(directory)) {
      lines.push_back(absl::StrCat("file ", directory, "/", name));
    }
  }
  std::sort(lines.begin(), lines.end());
  return lines;
}

}  // namespace mpool::test
