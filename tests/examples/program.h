// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// program.h - an example that was started, and what it says.

#ifndef MPOOL_TESTS_EXAMPLES_PROGRAM_H_
#define MPOOL_TESTS_EXAMPLES_PROGRAM_H_

#include <sys/types.h>

#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

namespace mpool::test {

class Program {
 public:
  // The example `name`: from the directory in the environment variable
  // MPOOL_EXAMPLES if there is one, else of this build.
  Program(std::string_view name, std::vector<std::string> arguments);
  // Kills it if it has not ended.
  ~Program();
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  pid_t pid() const { return pid_; }
  // Its next line, without the end; empty once it said its last.
  std::string Line();
  void Type(std::string_view line);
  // Nothing more is typed.
  void EndInput();
  // Waits for it: what it returned, or minus the signal that killed it.
  int End();

 private:
  pid_t pid_ = -1;
  std::FILE* input_ = nullptr;
  std::FILE* output_ = nullptr;
};

}  // namespace mpool::test

#endif  // MPOOL_TESTS_EXAMPLES_PROGRAM_H_
