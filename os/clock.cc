// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "os/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <time.h>

#include <algorithm>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "os/process.h"
#include "os/retry.h"
#include "os/syscalls.h"

namespace mpool::os {
namespace {

// The inode of the machine's (initial) time namespace: PROC_TIME_INIT_INO.
constexpr ino_t kMachine = 0xEFFFFFFA;

// Returns the inode of the namespace that a link of /proc/self/ns leads to; 0,
// with errno set, if the kernel reports none.
ino_t NamespaceOf(const char* link) {
  struct stat space = {};
  const int result =
      RetryEintr([&] { return Sys().fstatat(AT_FDCWD, link, &space, 0); });
  return result == 0 ? space.st_ino : 0;
}

}  // namespace

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

std::optional<int64_t> MonotonicOffsetNs() {
  const ino_t own = NamespaceOf("/proc/self/ns/time");
  if (own == kMachine) return 0;
  if (own == 0) {
    // A kernel without time namespaces has one clock.
    const bool has_none = errno == ENOENT &&
                          NamespaceOf("/proc/self/ns/pid") != 0;
    return has_none ? std::optional<int64_t>(0) : std::nullopt;
  }
  // timens_offsets holds the offsets of children, which may have another
  // namespace.
  if (NamespaceOf("/proc/self/ns/time_for_children") != own) {
    return std::nullopt;
  }
  const absl::StatusOr<std::string> text =
      ReadToEnd("/proc/self/timens_offsets");
  if (!text.ok()) return std::nullopt;
  for (absl::string_view line : absl::StrSplit(*text, '\n')) {
    const std::vector<std::string> words =
        absl::StrSplit(line, absl::ByAnyChar(" \t"), absl::SkipEmpty());
    int64_t seconds = 0;
    int64_t nanoseconds = 0;
    if (words.size() == 3 && words[0] == "monotonic" &&
        absl::SimpleAtoi(words[1], &seconds) &&
        absl::SimpleAtoi(words[2], &nanoseconds)) {
      return seconds * 1'000'000'000 + nanoseconds;
    }
  }
  return std::nullopt;
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
    // The sum cannot overflow or reach kNever: it is at most 2^63 plus the
    // uptime.
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
