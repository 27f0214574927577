// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// children.h - forked processes that all run the same function.

#ifndef MPOOL_TOOLS_REPLAY_CHILDREN_H_
#define MPOOL_TOOLS_REPLAY_CHILDREN_H_

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"

namespace mpool::tools {

class Children {
 public:
  Children() = default;
  Children(const Children&) = delete;
  Children& operator=(const Children&) = delete;
  // Waits for the remaining children.
  ~Children() { ReapAll(); }

  // Forks `count` processes that call `body` and exit with 0. They die with
  // their parent. After an error the children forked before it still run.
  // REQUIRES: no other thread runs in this process (not checkable: no portable
  // count of threads).
  absl::Status Fork(uint32_t count, const std::function<void()>& body);

  // Collects ended children, without waiting.
  void Reap();
  // Waits for all children.
  void ReapAll();

  // Returns the ends of children that did not exit with 0: "process 123 was
  // killed by signal 9 (Killed)".
  const std::vector<std::string>& deaths() const { return deaths_; }

 private:
  void Collect(int flags);

  std::vector<pid_t> running_;
  std::vector<std::string> deaths_;
};

}  // namespace mpool::tools

#endif  // MPOOL_TOOLS_REPLAY_CHILDREN_H_
