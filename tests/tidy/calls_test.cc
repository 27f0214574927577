// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// Checks that the files and the folders of the library call each other in one
// direction.

#include "tests/tidy/calls.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"

namespace mpool::tidy {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

std::string OutputOf(const std::string& command) {
  std::string output;
  FILE* pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) return output;
  char buffer[4096];
  while (const size_t size = fread(buffer, 1, sizeof buffer, pipe)) {
    output.append(buffer, size);
  }
  EXPECT_EQ(pclose(pipe), 0) << command;
  return output;
}

// Returns the calls between the library's source files.
const Calls& LibraryCalls() {
  static const Calls calls = [] {
    std::map<std::string, Symbols> objects;
    std::ifstream list(MPOOL_OBJECT_LIST);
    std::string object;
    while (std::getline(list, object)) {
      // The list also has the precompiled header.
      if (!object.ends_with(".cc.o")) continue;
      const auto file =
          std::filesystem::path(object).lexically_normal().lexically_relative(
              MPOOL_OBJECT_FOLDER);
      objects[file.string()] = ParseSymbols(
          OutputOf(absl::StrCat("nm --portability '", object, "'")));
    }
    return CallsBetweenFiles(objects);
  }();
  return calls;
}

TEST(CallsTest, SymbolsAreRead) {
  const Symbols symbols =
      ParseSymbols("_Z1av T 0 4\n_Z1bv U\n_Z1cv W 0 4\nkD R 0 4\n");
  EXPECT_THAT(symbols.defined, ElementsAre("_Z1av", "kD"));
  EXPECT_THAT(symbols.used, ElementsAre("_Z1bv"));
}

TEST(CallsTest, CircleIsFound) {
  const std::map<std::string, Symbols> objects = {
      {"x/a.cc", {{"a"}, {"b"}}},
      {"y/b.cc", {{"b"}, {"c"}}},
      {"x/c.cc", {{"c"}, {}}}};
  const Calls files = CallsBetweenFiles(objects);
  EXPECT_THAT(Circles(files), IsEmpty());
  EXPECT_THAT(Circles(CallsBetweenFolders(files)),
              ElementsAre("x -> y -> x", "y -> x -> y"));
}

TEST(CallsTest, LibraryCallsAreSeen) {
  EXPECT_THAT(LibraryCalls(),
              Contains(Pair("db/environment.cc.o",
                            Contains("mpool/pool/pool.cc.o"))));
}

TEST(CallsTest, FilesCallInOneDirection) {
  EXPECT_THAT(Circles(LibraryCalls()), IsEmpty());
}

TEST(CallsTest, FoldersCallInOneDirection) {
  EXPECT_THAT(Circles(CallsBetweenFolders(LibraryCalls())), IsEmpty());
}

}  // namespace
}  // namespace mpool::tidy
