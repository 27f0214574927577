// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// clock.h - the monotonic clock; only stamp.h looks at the time of day.
//
// Processes of different time namespaces have different monotonic clocks. A
// time that a process notes for others goes with its MonotonicOffsetNs.

#ifndef MPOOL_OS_CLOCK_H_
#define MPOOL_OS_CLOCK_H_

#include <cstdint>
#include <optional>

#include "absl/time/time.h"

namespace mpool::os {

// Nanoseconds of CLOCK_MONOTONIC.
uint64_t MonotonicNs();
// The same to within some milliseconds, and cheaper. Never 0.
uint64_t CoarseNs();
// Nanoseconds by which the calling process's clock is ahead of the machine's.
// nullopt if the kernel does not tell, as without /proc.
std::optional<int64_t> MonotonicOffsetNs();

void Sleep(absl::Duration time);

// When a wait ends. Reads the clock only if the wait is finite.
class Deadline {
 public:
  explicit Deadline(absl::Duration wait);
  bool passed() const;
  // Zero once passed, and never more than `most`.
  absl::Duration Left(absl::Duration most) const;
  bool is_infinite() const { return end_ns_ == kNever; }

 private:
  static constexpr uint64_t kNever = ~uint64_t{0};
  uint64_t end_ns_;
};

}  // namespace mpool::os

#endif  // MPOOL_OS_CLOCK_H_
