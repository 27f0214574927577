// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "tests/support/step_names.h"

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>

namespace mpool::test {
namespace {

namespace fs = std::filesystem;

bool IsOfTheLibrary(const fs::path& path) {
  const std::string name = path.filename();
  return (name.ends_with(".cc") || name.ends_with(".h")) &&
         !name.ends_with("_test.cc");
}

// The steps of db/ are left out, because a death there leaves nothing shared.
// The search is hand-written because every test process runs it first, and
// std::regex takes seconds without optimization.
std::set<std::string> AllSteps() {
  constexpr std::string_view kCall = "MPOOL_STEP(";
  std::set<std::string> names;
  for (const char* layer : {"os", "region", "mpool"}) {
    for (const fs::directory_entry& entry :
         fs::recursive_directory_iterator(fs::path(MPOOL_SOURCE_DIR) / layer)) {
      if (!IsOfTheLibrary(entry.path())) continue;
      std::string text(entry.file_size(), 0);
      std::ifstream(entry.path()).read(text.data(),
                                       static_cast<long>(text.size()));
      for (size_t at = text.find(kCall); at != std::string::npos;
           at = text.find(kCall, at + 1)) {
        const size_t open = text.find_first_not_of(" \n", at + kCall.size());
        if (open == std::string::npos || text[open] != '"') continue;
        names.insert(
            text.substr(open + 1, text.find('"', open + 1) - open - 1));
      }
    }
  }
  return names;
}

}  // namespace

std::vector<std::string> StepNames(std::string_view prefix) {
  static const std::set<std::string> all = AllSteps();
  std::vector<std::string> names;
  for (const std::string& name : all) {
    if (name.starts_with(prefix)) names.push_back(name);
  }
  if (names.empty()) {
    std::fprintf(stderr, "no step starts with %s in %s\n",
                 std::string(prefix).c_str(), MPOOL_SOURCE_DIR);
    std::abort();
  }
  return names;
}

std::string StepTestName(const ::testing::TestParamInfo<std::string>& info) {
  std::string name;
  bool upper = true;
  for (const char c : info.param) {
    if (c == '.' || c == '_') {
      upper = true;
      continue;
    }
    name += upper ? static_cast<char>(c - 'a' + 'A') : c;
    upper = false;
  }
  return name;
}

}  // namespace mpool::test
