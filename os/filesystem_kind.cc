// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "os/filesystem_kind.h"

#include <errno.h>
#include <linux/magic.h>
#include <sys/vfs.h>

#include <cstdint>

#include "absl/strings/str_cat.h"
#include "os/retry.h"
#include "os/status.h"
#include "os/syscalls.h"

namespace mpool::os {
namespace {

std::string FilesystemName(uint32_t type) {
  switch (type) {
    case NFS_SUPER_MAGIC:
      return "NFS";
    case SMB_SUPER_MAGIC:
    case CIFS_SUPER_MAGIC:
    case SMB2_SUPER_MAGIC:
      return "CIFS";
    case V9FS_MAGIC:
      return "9p";
    case FUSE_SUPER_MAGIC:
      return "FUSE";
    case EXT4_SUPER_MAGIC:
      return "ext2/3/4";
    case XFS_SUPER_MAGIC:
      return "XFS";
    case BTRFS_SUPER_MAGIC:
      return "btrfs";
    case TMPFS_MAGIC:
      return "tmpfs";
    case OVERLAYFS_SUPER_MAGIC:
      return "overlayfs";
    default:
      return absl::StrCat("type 0x", absl::Hex(type));
  }
}

absl::StatusOr<uint32_t> FilesystemType(const File& file) {
  struct statfs raw = {};
  if (RetryEintr([&] { return Sys().fstatfs(file.fd(), &raw); }) != 0) {
    return ErrnoToStatus(errno, "look at the file system of", file.path());
  }
  return static_cast<uint32_t>(raw.f_type);
}

}  // namespace

std::string FilesystemKind(const File& file) {
  const absl::StatusOr<uint32_t> type = FilesystemType(file);
  return type.ok() ? FilesystemName(*type) : "unknown";
}

absl::StatusOr<std::string> RemoteFilesystem(const File& file) {
  MPOOL_ASSIGN_OR_RETURN(const uint32_t type, FilesystemType(file));
  switch (type) {
    case NFS_SUPER_MAGIC:
    case SMB_SUPER_MAGIC:
    case CIFS_SUPER_MAGIC:
    case SMB2_SUPER_MAGIC:
    case V9FS_MAGIC:
    case FUSE_SUPER_MAGIC:
      return FilesystemName(type);
    default:
      return std::string();
  }
}

bool IsOnOverlay(const File& file) {
  const absl::StatusOr<uint32_t> type = FilesystemType(file);
  return type.ok() && *type == OVERLAYFS_SUPER_MAGIC;
}

absl::StatusOr<std::string> PseudoFilesystem(const File& file) {
  MPOOL_ASSIGN_OR_RETURN(const uint32_t type, FilesystemType(file));
  switch (type) {
    case PROC_SUPER_MAGIC:
      return "proc";
    case SYSFS_MAGIC:
      return "sysfs";
    case CGROUP_SUPER_MAGIC:
    case CGROUP2_SUPER_MAGIC:
      return "cgroup";
    case DEBUGFS_MAGIC:
    case TRACEFS_MAGIC:
    case SECURITYFS_MAGIC:
    case BPF_FS_MAGIC:
      return "a file system of the kernel's own";
    default:
      return std::string();
  }
}

}  // namespace mpool::os
