// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// child.h - forked processes that talk with the test.

#ifndef MPOOL_TESTS_SUPPORT_CHILD_H_
#define MPOOL_TESTS_SUPPORT_CHILD_H_

#include <sys/types.h>

#include <functional>
#include <string>
#include <string_view>

namespace mpool::test {

// The child's end of the line to its parent.
class Channel {
 public:
  explicit Channel(int fd) : fd_(fd) {}
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  // Nobody need listen.
  void Say(std::string_view message);
  // Waits for the next message; empty once the other end is gone.
  std::string Hear();

 private:
  int fd_;
};

// A forked process. It dies with the test, and is killed with the object.
class Child {
 public:
  // What `body` returns is the outcome. A failed expectation in the child is
  // an outcome of its own.
  using Body = std::function<std::string(Channel& parent)>;
  explicit Child(const Body& body);
  ~Child();
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  pid_t pid() const { return pid_; }
  // It need not listen.
  void Say(std::string_view message);
  // The next message of the child; its outcome if it ends before.
  std::string Hear();
  // Waits for the end: what body returned, "signal 9", or "exit 3".
  std::string End();
  // Kills it with SIGKILL, if it is still there, and waits.
  std::string Kill();

 private:
  pid_t pid_ = -1;
  int fd_ = -1;
  bool ended_ = false;
  std::string outcome_;
};

// Runs `body` in a child and gives its outcome.
std::string InChild(const std::function<std::string()>& body);

inline constexpr char kKilled[] = "signal 9";

}  // namespace mpool::test

#endif  // MPOOL_TESTS_SUPPORT_CHILD_H_
