// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// child.h - forked processes that exchange messages with the test.

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

  // Sends a message. The other end may ignore it.
  void Say(std::string_view message);
  // Waits for the next message. Returns an empty string once the other end is
  // gone.
  std::string Hear();

 private:
  int fd_;
};

// A forked process. It dies with the test, and is killed with the object.
class Child {
 public:
  // The returned text of `body` is the outcome. If an expectation fails in the
  // child, the outcome says so instead.
  using Body = std::function<std::string(Channel& parent)>;
  explicit Child(const Body& body);
  ~Child();
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  pid_t pid() const { return pid_; }
  // Sends a message. The child may ignore it.
  void Say(std::string_view message);
  // Returns the next message of the child, or its outcome if it ends before.
  std::string Hear();
  // Waits for the end. Returns the text from body, "signal 9", or "exit 3".
  std::string End();
  // Kills the child with SIGKILL, if it still runs, and waits.
  std::string Kill();

 private:
  pid_t pid_ = -1;
  int fd_ = -1;
  bool ended_ = false;
  std::string outcome_;
};

// Runs `body` in a child and returns its outcome.
std::string InChild(const std::function<std::string()>& body);

inline constexpr char kKilled[] = "signal 9";

}  // namespace mpool::test

#endif  // MPOOL_TESTS_SUPPORT_CHILD_H_
