// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "tests/examples/program.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "os/status.h"

namespace mpool::test {

Program::Program(std::string_view name, std::vector<std::string> arguments) {
  const char* given = std::getenv("MPOOL_EXAMPLES");
  std::string path = absl::StrCat(given != nullptr ? given : MPOOL_EXAMPLES,
                                  "/", os::Abs(name));
  std::vector<char*> words = {path.data()};
  for (std::string& argument : arguments) words.push_back(argument.data());
  words.push_back(nullptr);
  int in[2];
  int out[2];
  EXPECT_EQ(::pipe2(in, O_CLOEXEC), 0);
  EXPECT_EQ(::pipe2(out, O_CLOEXEC), 0);
  pid_ = ::fork();
  if (pid_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::dup2(in[0], STDIN_FILENO);
    ::dup2(out[1], STDOUT_FILENO);
    ::execv(path.c_str(), words.data());
    std::perror(path.c_str());
    ::_exit(127);
  }
  EXPECT_GT(pid_, 0);
  ::close(in[0]);
  ::close(out[1]);
  input_ = ::fdopen(in[1], "w");
  output_ = ::fdopen(out[0], "r");
}

Program::~Program() {
  EndInput();
  if (pid_ > 0) ::kill(pid_, SIGKILL);
  End();
  std::fclose(output_);
}

std::string Program::Line() {
  char text[4096];
  if (std::fgets(text, sizeof(text), output_) == nullptr) return "";
  std::string line = text;
  if (line.ends_with('\n')) line.pop_back();
  return line;
}

void Program::Type(std::string_view line) {
  std::fprintf(input_, "%s\n", std::string(line).c_str());
  std::fflush(input_);
}

void Program::EndInput() {
  if (input_ != nullptr) std::fclose(input_);
  input_ = nullptr;
}

int Program::End() {
  int status = 0;
  if (pid_ <= 0 || ::waitpid(pid_, &status, 0) != pid_) return -1;
  pid_ = -1;
  return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

}  // namespace mpool::test
