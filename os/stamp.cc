// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "os/stamp.h"

#include <linux/magic.h>
#include <sys/utsname.h>
#include <time.h>

#include <cstdio>

#include "os/filesystem_kind.h"
#include "os/syscalls.h"

namespace mpool::os {
namespace {

constexpr uint64_t kMillisecond = 1'000'000;
// A tick lasts at most 10 ms (100 a second). kTick is two ticks.
constexpr uint64_t kTick = 20 * kMillisecond;
// FAT stores times in units of two seconds.
constexpr uint64_t kSeconds = 2000 * kMillisecond;

bool IsMultigrainKernel() {
  struct utsname name = {};
  int major = 0;
  int minor = 0;
  if (Sys().uname(&name) != 0 ||
      std::sscanf(name.release, "%d.%d", &major, &minor) != 2) {
    return false;
  }
  return major > 6 || (major == 6 && minor >= 13);
}

// Returns the time, in nanoseconds, within which two changes may get equal
// times.
uint64_t Grain(const FileInfo& info, bool fine) {
  constexpr uint64_t kSecond = 1000 * kMillisecond;
  if (info.ctime_ns % kSecond == 0 && info.mtime_ns % kSecond == 0) {
    return kSeconds;
  }
  // Whole milliseconds are the time of a tick, even if the kernel has fine
  // times.
  return fine && info.ctime_ns % kMillisecond != 0 ? 0 : kTick;
}

}  // namespace

bool HasFineStamps(const File& file) {
  const absl::StatusOr<struct statfs> raw = StatFs(file);
  if (!raw.ok()) return false;
  switch (static_cast<uint32_t>(raw->f_type)) {
    case EXT4_SUPER_MAGIC:
    case XFS_SUPER_MAGIC:
    case BTRFS_SUPER_MAGIC:
    case TMPFS_MAGIC:
      return IsMultigrainKernel();
    default:
      return false;
  }
}

bool IsSettled(const FileInfo& info, bool fine) {
  const uint64_t grain = Grain(info, fine);
  if (grain == 0) return true;
  struct timespec now = {};
  if (Sys().clock_gettime(CLOCK_REALTIME, &now) != 0) return false;
  const uint64_t now_ns = static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 +
                          static_cast<uint64_t>(now.tv_nsec);
  // If the clock was set back, the times look young and count as not settled.
  return info.ctime_ns + grain < now_ns;
}

}  // namespace mpool::os
