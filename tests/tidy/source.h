// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// source.h - the project's files as the tidy rules see them.

#ifndef MPOOL_TESTS_TIDY_SOURCE_H_
#define MPOOL_TESTS_TIDY_SOURCE_H_

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace mpool::tidy {

// One text file. The three vectors have one element for each line: `lines` as
// written, `statements` without comments, and `code` without comments and
// quoted text. The last two are filled for C++ and *.def only.
struct Source {
  std::string path;  // from the project root, with '/'
  std::vector<std::string> lines;
  std::vector<std::string> statements;
  std::vector<std::string> code;

  // Returns the first folder of the path; empty for a file in the root.
  std::string_view Folder() const;
  bool IsCpp() const;   // .h or .cc
  bool IsTest() const;  // *_test.cc, test_*, or anything under tests/
};

Source MakeSource(std::string path, std::string_view text);

// Returns every text file of the project: C++, CMake, scripts and Markdown.
// Leaves out build trees, traces and hidden folders.
std::vector<Source> LoadTree(const std::string& root);

// Returns the file `path` of `tree`; nullptr if there is none.
const Source* Find(const std::vector<Source>& tree, std::string_view path);

// Returns the lines joined with '\n'.
std::string Join(const std::vector<std::string>& lines);

}  // namespace mpool::tidy

#endif  // MPOOL_TESTS_TIDY_SOURCE_H_
