// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include <unistd.h>

#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

#include "tools/command.h"

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  const char* const no_color = ::secure_getenv("NO_COLOR");
  const bool wants_color = no_color == nullptr || *no_color == '\0';
  mpool::tools::Terminal terminal;
  terminal.show_progress = isatty(STDERR_FILENO) != 0;
  terminal.color = wants_color;
  const bool rich_out = wants_color && isatty(STDOUT_FILENO) != 0;
  const int code =
      mpool::tools::RunCommand(words, terminal, rich_out, std::cout, std::cerr);
  std::cout.flush();
  if (!std::cout) {
    std::cerr << "mpool: cannot write to standard output\n";
    return code == 0 ? 1 : code;
  }
  return code;
}
