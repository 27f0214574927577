// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// clock.h - the monotonic clock. Only stamp.h reads the time of day.
//
// Processes in different time namespaces have different monotonic clocks. A
// process that stores a time for other processes stores its MonotonicOffsetNs
// with the time.

#ifndef MPOOL_OS_CLOCK_H_
#define MPOOL_OS_CLOCK_H_

#include <cstdint>
#include <optional>

#include "absl/time/time.h"

namespace mpool::os {

// Returns CLOCK_MONOTONIC in nanoseconds.
uint64_t MonotonicNs();
// Returns the same time to within some milliseconds, at less cost. Never 0.
uint64_t CoarseNs();
// Returns by how many nanoseconds the calling process's clock is ahead of the
// machine's clock; nullopt if the kernel does not report it, as without /proc.
std::optional<int64_t> MonotonicOffsetNs();

void Sleep(absl::Duration time);

// The end of a wait. Reads the clock only if the wait is finite.
class Deadline {
 public:
  explicit Deadline(absl::Duration wait);
  bool passed() const;
  // Returns the time that is left, at most `most`; zero after the deadline.
  absl::Duration Left(absl::Duration most) const;
  bool is_infinite() const { return end_ns_ == kNever; }

 private:
  static constexpr uint64_t kNever = ~uint64_t{0};
  uint64_t end_ns_;
};

}  // namespace mpool::os

#endif  // MPOOL_OS_CLOCK_H_
