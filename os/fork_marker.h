// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// fork_marker.h - a word of memory that a fork sets to zero in the child.

#ifndef MPOOL_OS_FORK_MARKER_H_
#define MPOOL_OS_FORK_MARKER_H_

#include <cstdint>

#include "absl/status/status.h"

namespace mpool::os {

// A line of memory that a fork wipes: it reads zero in the child. Its word
// distinguishes a process from its forked children without a system call.
class ForkMarker {
 public:
  // Makes a marker that reads zero in every process.
  ForkMarker() = default;
  ~ForkMarker();
  ForkMarker(const ForkMarker&) = delete;
  ForkMarker& operator=(const ForkMarker&) = delete;
  // Gives the marker its own memory.
  // REQUIRES: it has none yet.
  absl::Status Map();
  uint32_t* word() const { return word_; }

 private:
  static constinit uint32_t zero;

  uint32_t* word_ = &zero;
};

}  // namespace mpool::os

#endif  // MPOOL_OS_FORK_MARKER_H_
