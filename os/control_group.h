// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// control_group.h - the memory that the control groups of this process still
// allow, of version 1 and 2.
//
// The kernel kills a process (SIGKILL) that touches more memory than its group
// may have. So the groups are asked before memory is reserved. The answer is
// true at that moment only, because other processes of the group use memory
// too.

#ifndef MPOOL_OS_CONTROL_GROUP_H_
#define MPOOL_OS_CONTROL_GROUP_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace mpool::os {

struct GroupMemory {
  uint64_t left_bytes = 0;  // with the cache of files and free swap
  uint64_t limit_bytes = 0;
  uint64_t used_bytes = 0;  // without the cache of files
  std::string limit_file;   // its path
};

// Returns the group of this process, or the ancestor of it, that has the least
// memory left. Returns nullopt if no group has a limit or none can be read.
// `root` is put before each path, for tests.
std::optional<GroupMemory> TightestGroup(std::string_view root = "");

// Returns ResourceExhausted if the groups of this process do not allow `bytes`
// more. The error names the file of the limit, the limit and the use.
absl::Status CheckGroupMemory(uint64_t bytes, std::string_view root = "");

}  // namespace mpool::os

#endif  // MPOOL_OS_CONTROL_GROUP_H_
