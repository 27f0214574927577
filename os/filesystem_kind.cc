// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "os/filesystem_kind.h"

#include <errno.h>
#include <linux/magic.h>
#include <sys/sysmacros.h>

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "os/process.h"
#include "os/retry.h"
#include "os/status.h"
#include "os/syscalls.h"

namespace mpool::os {
namespace {

// CIFS is what a kernel calls SMB 1 to 3; "fuse.NAME" is FUSE too.
struct Kind {
  uint32_t type;
  std::string_view name;     // for messages
  std::string_view mounted;  // in the list of mounts
};
constexpr auto kKinds = std::to_array<Kind>({
    {NFS_SUPER_MAGIC, "NFS", "nfs"},
    {NFS_SUPER_MAGIC, "NFS", "nfs4"},
    {SMB_SUPER_MAGIC, "CIFS", "smbfs"},
    {CIFS_SUPER_MAGIC, "CIFS", "cifs"},
    {SMB2_SUPER_MAGIC, "CIFS", "smb3"},
    {V9FS_MAGIC, "9p", "9p"},
    {FUSE_SUPER_MAGIC, "FUSE", "fuse"},
    {FUSE_SUPER_MAGIC, "FUSE", "fuseblk"},
    {EXT4_SUPER_MAGIC, "ext2/3/4", "ext4"},
    {EXT4_SUPER_MAGIC, "ext2/3/4", "ext3"},
    {EXT4_SUPER_MAGIC, "ext2/3/4", "ext2"},
    {XFS_SUPER_MAGIC, "XFS", "xfs"},
    {BTRFS_SUPER_MAGIC, "btrfs", "btrfs"},
    {TMPFS_MAGIC, "tmpfs", "tmpfs"},
    {OVERLAYFS_SUPER_MAGIC, "overlayfs", "overlay"},
    {PROC_SUPER_MAGIC, "proc", "proc"},
    {SYSFS_MAGIC, "sysfs", "sysfs"},
    {CGROUP_SUPER_MAGIC, "cgroup", "cgroup"},
    {CGROUP2_SUPER_MAGIC, "cgroup", "cgroup2"},
});

std::string FilesystemName(uint32_t type) {
  for (const Kind& kind : kKinds) {
    if (kind.type == type) return std::string(kind.name);
  }
  return absl::StrCat("type 0x", absl::Hex(type));
}

// Returns the type of the mount with that device number; 0 if it is unknown.
uint32_t MountedType(uint64_t device) {
  const absl::StatusOr<std::string> text = ReadToEnd("/proc/self/mountinfo");
  if (!text.ok()) return 0;
  const std::string number = absl::StrCat(major(device), ":", minor(device));
  for (const absl::string_view line : absl::StrSplit(*text, '\n')) {
    const std::vector<absl::string_view> parts = absl::StrSplit(line, " - ");
    const std::vector<absl::string_view> words = absl::StrSplit(line, ' ');
    if (parts.size() != 2 || words.size() < 3 || words[2] != number) continue;
    const absl::string_view mounted =
        parts[1].substr(0, parts[1].find_first_of(" ."));
    for (const Kind& kind : kKinds) {
      if (Abs(kind.mounted) == mounted) return kind.type;
    }
  }
  return 0;
}

absl::StatusOr<uint32_t> FilesystemType(const File& file) {
  MPOOL_ASSIGN_OR_RETURN(const struct statfs raw, StatFs(file));
  return static_cast<uint32_t>(raw.f_type);
}

}  // namespace

absl::StatusOr<struct statfs> StatFs(const File& file) {
  struct statfs raw = {};
  if (RetryEintr([&] { return Sys().fstatfs(file.fd(), &raw); }) == 0) {
    return raw;
  }
  const int error = errno;
  if (IsRefusal(error)) {
    MPOOL_ASSIGN_OR_RETURN(const FileInfo info, file.Info());
    raw = {};
    raw.f_type = MountedType(info.identity.device);
    if (raw.f_type != 0) return raw;
  }
  return ErrnoToStatus(error, "look at the file system of", file.path(),
                       IsRefusal(error) ? kAllowCall : "");
}

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

bool IsInMemory(const File& file) {
  const absl::StatusOr<uint32_t> type = FilesystemType(file);
  return type.ok() && (*type == TMPFS_MAGIC || *type == RAMFS_MAGIC);
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
