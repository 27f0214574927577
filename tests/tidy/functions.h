// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// functions.h - finds the functions of a C++ file by their braces.

#ifndef MPOOL_TESTS_TIDY_FUNCTIONS_H_
#define MPOOL_TESTS_TIDY_FUNCTIONS_H_

#include <cstddef>
#include <string>
#include <vector>

namespace mpool::tidy {

struct Function {
  size_t first, last;  // lines from 0, with head and closing brace
  std::string head;    // the text before the opening brace
};

// Returns the functions with a body. A function inside another is part of it.
// `code` is Source::code.
std::vector<Function> FindFunctions(const std::vector<std::string>& code);

// Returns the name that the declaration `head` declares: the word before its
// first parenthesis. Empty if `head` declares no function. Template arguments,
// attributes and macros in capital letters do not count.
std::string FunctionName(const std::string& head);

// Returns `text` without the text between matching '<' and '>'.
std::string WithoutTemplateArguments(const std::string& text);

}  // namespace mpool::tidy

#endif  // MPOOL_TESTS_TIDY_FUNCTIONS_H_
