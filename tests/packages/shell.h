// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// shell.h - the programs that a shell script runs.

#ifndef MPOOL_TESTS_PACKAGES_SHELL_H_
#define MPOOL_TESTS_PACKAGES_SHELL_H_

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace mpool::packages {

struct Command {
  size_t line;  // from 1
  std::string name;
};

// Returns the commands that the text of a bash script names. Leaves out
// keywords, builtins, functions of the script and paths of the project. A
// command inside of $(...) counts. Text in quotes or a here document does not.
std::vector<Command> CommandsOf(std::string_view script);

}  // namespace mpool::packages

#endif  // MPOOL_TESTS_PACKAGES_SHELL_H_
