// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// program.h - a running example program and its output.

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
  // Starts the example `name`, from the directory in the environment variable
  // MPOOL_EXAMPLES if it is set, else from this build.
  Program(std::string_view name, std::vector<std::string> arguments);
  // Kills it if it has not ended.
  ~Program();
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  pid_t pid() const { return pid_; }
  // Returns the next line without its end; empty after the last line.
  std::string Line();
  void Type(std::string_view line);
  // Closes the program's input.
  void EndInput();
  // Waits for the end. Returns the exit code, or minus the signal that killed
  // it.
  int End();

 private:
  pid_t pid_ = -1;
  std::FILE* input_ = nullptr;
  std::FILE* output_ = nullptr;
};

}  // namespace mpool::test

#endif  // MPOOL_TESTS_EXAMPLES_PROGRAM_H_
