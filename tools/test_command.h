// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// test_command.h - runs the command inside a test.

#ifndef MPOOL_TOOLS_TEST_COMMAND_H_
#define MPOOL_TOOLS_TEST_COMMAND_H_

#include <sstream>
#include <string>
#include <vector>

#include "tools/command.h"

namespace mpool::tools {

struct Ran {
  int code = 0;
  std::string out;
  std::string err;
};

// Runs `mpool` with `words` and without a terminal.
inline Ran RunMpool(const std::vector<std::string>& words) {
  std::ostringstream out;
  std::ostringstream err;
  const int code = RunCommand(words, Terminal{}, false, out, err);
  return {code, out.str(), err.str()};
}

}  // namespace mpool::tools

#endif  // MPOOL_TOOLS_TEST_COMMAND_H_
