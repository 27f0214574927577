// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "os/file_info.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "absl/strings/str_cat.h"
#include "os/retry.h"
#include "os/status.h"
#include "os/syscalls.h"

namespace mpool::os {
namespace {

constexpr unsigned kStatxMask = STATX_BASIC_STATS | STATX_BTIME;

uint64_t Nanoseconds(const statx_timestamp& time) {
  return static_cast<uint64_t>(time.tv_sec) * 1'000'000'000 + time.tv_nsec;
}

uint64_t Nanoseconds(const timespec& time) {
  return static_cast<uint64_t>(time.tv_sec) * 1'000'000'000 +
         static_cast<uint64_t>(time.tv_nsec);
}

FileInfo InfoOf(const struct stat& raw) {
  FileInfo info;
  info.identity.device = raw.st_dev;
  info.identity.inode = raw.st_ino;
  info.size_bytes = static_cast<uint64_t>(raw.st_size);
  info.allocated_bytes = static_cast<uint64_t>(raw.st_blocks) * 512;
  info.mtime_ns = Nanoseconds(raw.st_mtim);
  info.ctime_ns = Nanoseconds(raw.st_ctim);
  info.mode = raw.st_mode;
  info.links = static_cast<uint32_t>(raw.st_nlink);
  info.user = raw.st_uid;
  info.group = raw.st_gid;
  return info;
}

FileInfo InfoOf(const struct statx& raw) {
  FileInfo info;
  info.identity.device = makedev(raw.stx_dev_major, raw.stx_dev_minor);
  info.identity.inode = raw.stx_ino;
  if ((raw.stx_mask & STATX_BTIME) != 0) {
    info.identity.birth_ns = Nanoseconds(raw.stx_btime);
  }
  info.size_bytes = raw.stx_size;
  info.allocated_bytes = raw.stx_blocks * 512;
  info.mtime_ns = Nanoseconds(raw.stx_mtime);
  info.ctime_ns = Nanoseconds(raw.stx_ctime);
  info.mode = raw.stx_mode;
  info.links = raw.stx_nlink;
  info.user = raw.stx_uid;
  info.group = raw.stx_gid;
  return info;
}

FileInfo WithKind(FileInfo info) {
  info.is_regular = S_ISREG(info.mode);
  info.is_directory = S_ISDIR(info.mode);
  info.is_link = S_ISLNK(info.mode);
  return info;
}

}  // namespace

absl::StatusOr<FileInfo> ReadInfo(int fd, const char* name, int flags,
                                  std::string_view shown) {
  struct statx raw = {};
  if (RetryEintr([&] {
        return Sys().statx(fd, name, flags, kStatxMask, &raw);
      }) == 0) {
    return WithKind(InfoOf(raw));
  }
  if (!IsRefusal(errno)) return ErrnoToStatus(errno, "look at", shown);
  struct stat weaker = {};
  if (RetryEintr([&] {
        return Sys().fstatat(fd, name, &weaker, flags);
      }) != 0) {
    return ErrnoToStatus(errno, "look at", shown);
  }
  return WithKind(InfoOf(weaker));
}

absl::Status NotRegular(std::string_view path, uint32_t mode) {
  std::string_view kind = "of an unknown kind";
  switch (mode & S_IFMT) {
    case S_IFIFO:
      kind = "a FIFO";
      break;
    case S_IFCHR:
    case S_IFBLK:
      kind = "a device";
      break;
    case S_IFDIR:
      kind = "a directory";
      break;
    case S_IFSOCK:
      kind = "a socket";
      break;
    case S_IFLNK:
      kind = "a symbolic link";
      break;
    default:
      break;
  }
  return absl::InvalidArgumentError(
      absl::StrCat("open ", Abs(path), ": it is ", Abs(kind),
                   " and not a regular file; name another, or move it away"));
}

}  // namespace mpool::os
