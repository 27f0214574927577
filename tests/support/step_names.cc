// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "tests/support/step_names.h"

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <regex>
#include <set>

namespace mpool::test {
namespace {

namespace fs = std::filesystem;

std::set<std::string> AllSteps() {
  static const std::regex kStep("MPOOL_STEP\\(\\s*\"([^\"]+)\"\\s*\\)");
  std::set<std::string> names;
  for (const char* layer : {"region", "mpool", "db"}) {
    for (const fs::directory_entry& entry :
         fs::recursive_directory_iterator(fs::path(MPOOL_SOURCE_DIR) / layer)) {
      if (entry.path().extension() != ".cc") continue;
      std::ifstream in(entry.path());
      const std::string text(std::istreambuf_iterator<char>(in), {});
      for (std::sregex_iterator it(text.begin(), text.end(), kStep), end;
           it != end; ++it) {
        names.insert(it->str(1));
      }
    }
  }
  return names;
}

}  // namespace

std::vector<std::string> StepNames(std::string_view prefix) {
  std::vector<std::string> names;
  for (const std::string& name : AllSteps()) {
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
