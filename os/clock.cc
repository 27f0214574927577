// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "os/clock.h"

#include <errno.h>
#include <time.h>

#include <algorithm>

#include "os/syscalls.h"

namespace mpool::os {

uint64_t MonotonicNs() {
  timespec now = {};
  Sys().clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 +
         static_cast<uint64_t>(now.tv_nsec);
}

uint64_t CoarseNs() {
  timespec now = {};
  Sys().clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 +
         static_cast<uint64_t>(now.tv_nsec) + 1;
}

void Sleep(absl::Duration time) {
  if (time <= absl::ZeroDuration()) return;
  timespec left = absl::ToTimespec(time);
  while (Sys().nanosleep(&left, &left) == -1 && errno == EINTR) {
  }
}

Deadline::Deadline(absl::Duration wait) {
  if (wait == absl::InfiniteDuration()) {
    end_ns_ = kNever;
  } else if (wait <= absl::ZeroDuration()) {
    end_ns_ = 0;
  } else {
    // At most 2^63 on top of an uptime: cannot overflow or reach kNever.
    end_ns_ =
        MonotonicNs() + static_cast<uint64_t>(absl::ToInt64Nanoseconds(wait));
  }
}

bool Deadline::passed() const {
  if (is_infinite()) return false;
  return end_ns_ == 0 || MonotonicNs() >= end_ns_;
}

absl::Duration Deadline::Left(absl::Duration most) const {
  if (is_infinite()) return most;
  if (end_ns_ == 0) return absl::ZeroDuration();
  const uint64_t now_ns = MonotonicNs();
  if (now_ns >= end_ns_) return absl::ZeroDuration();
  return std::min(most,
                  absl::Nanoseconds(static_cast<int64_t>(end_ns_ - now_ns)));
}

}  // namespace mpool::os
