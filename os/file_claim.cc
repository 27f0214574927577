// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// file_claim.cc - who caches a page file: a read lock on one byte, far behind
// any page, whose place tells the owner. Locks of one owner share their byte;
// one that lies elsewhere in the range is another owner's. They go with the
// open file description.

#include <fcntl.h>

#include <cerrno>

#include "os/file.h"
#include "os/retry.h"
#include "os/status.h"
#include "os/syscalls.h"

namespace mpool::os {
namespace {

constexpr off_t kRange = off_t{1} << 60;
constexpr off_t kWriters = off_t{1} << 62;
constexpr off_t kReaders = kWriters + kRange;

struct flock Bytes(short type, off_t first, off_t count) {
  struct flock lock = {};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  lock.l_start = first;
  lock.l_len = count;
  return lock;
}

}  // namespace

absl::StatusOr<bool> File::Claim(uint64_t owner, bool for_writing) {
  const off_t place = static_cast<off_t>(owner % kRange);
  auto call = [&](int command, struct flock* lock) {
    return RetryEintr([&] { return Sys().fcntl_lock(fd_, command, lock); });
  };
  struct flock own =
      Bytes(F_RDLCK, (for_writing ? kWriters : kReaders) + place, 1);
  // A file system without such locks has nothing to tell.
  if (call(F_OFD_SETLK, &own) != 0) return true;
  // Both have their locks before they look, so that of two that come together
  // one at least sees the other.
  auto is_free = [&](off_t first, off_t count) {
    struct flock probe = Bytes(F_WRLCK, first, count);
    return count == 0 || call(F_OFD_GETLK, &probe) != 0 ||
           probe.l_type == F_UNLCK;
  };
  auto no_other = [&](off_t range) {
    return is_free(range, place) &&
           is_free(range + place + 1, kRange - place - 1);
  };
  return no_other(kWriters) && (!for_writing || no_other(kReaders));
}

}  // namespace mpool::os
