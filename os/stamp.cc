// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "os/stamp.h"

#include <linux/magic.h>
#include <sys/utsname.h>
#include <time.h>

#include <cstdio>

#include "os/retry.h"
#include "os/syscalls.h"

namespace mpool::os {
namespace {

constexpr uint64_t kMillisecond = 1'000'000;
// A tick lasts 10 ms at most (100 a second).
constexpr uint64_t kTick = 20 * kMillisecond;
// The times of FAT are even seconds.
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

// How long two changes may have one time.
uint64_t Grain(const FileInfo& info, bool fine) {
  constexpr uint64_t kSecond = 1000 * kMillisecond;
  if (info.ctime_ns % kSecond == 0 && info.mtime_ns % kSecond == 0) {
    return kSeconds;
  }
  // A time of whole milliseconds is no clock's own, whatever the kernel says.
  return fine && info.ctime_ns % kMillisecond != 0 ? 0 : kTick;
}

}  // namespace

bool HasFineStamps(const File& file) {
  struct statfs raw = {};
  if (RetryEintr([&] { return Sys().fstatfs(file.fd(), &raw); }) != 0) {
    return false;
  }
  switch (static_cast<uint32_t>(raw.f_type)) {
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
  // A clock that was set back makes the times look young: not settled.
  return info.ctime_ns + grain < now_ns;
}

}  // namespace mpool::os
