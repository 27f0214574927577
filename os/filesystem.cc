// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "os/filesystem.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <sys/sysmacros.h>

#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "os/assert.h"
#include "os/filesystem_kind.h"
#include "os/process.h"
#include "os/retry.h"
#include "os/status.h"
#include "os/syscalls.h"

namespace mpool::os {
namespace {

// Magic numbers that linux/magic.h lacks.
constexpr uint32_t kZfs = 0x2fc12fc1;
constexpr uint32_t kBcachefs = 0xca451a4e;

struct FsUuid {
  uint8_t size;
  uint8_t bytes[16];
};
constexpr unsigned long kGetFsUuid = _IOR(0x15, 0, FsUuid);  // Linux 6.9

// The result of XFS_IOC_FSGEOMETRY_V1. Only the UUID is used.
struct XfsGeometry {
  uint8_t before[64];
  uint8_t uuid[16];
  uint8_t behind[32];
};
constexpr unsigned long kXfsGeometry = _IOR('X', 100, XfsGeometry);

int Control(const File& file, unsigned long request, void* argument) {
  return RetryEintr([&] { return Sys().ioctl(file.fd(), request, argument); });
}

std::string NameOf(uint32_t type) {
  switch (type) {
    case BTRFS_SUPER_MAGIC:
      return "btrfs";
    case XFS_SUPER_MAGIC:
      return "XFS with reflink";
    case OVERLAYFS_SUPER_MAGIC:
      return "overlayfs on one that shares blocks, like btrfs or XFS";
    case kZfs:
      return "ZFS";
    case kBcachefs:
      return "bcachefs";
    default:
      return absl::StrCat("type 0x", absl::Hex(type));
  }
}

absl::Status NotInPlace(const File& file, uint32_t type) {
  return absl::FailedPreconditionError(absl::StrCat(
      "map region: ", file.path(), ": its file system (", Abs(NameOf(type)),
      ") may write a changed block to a new place, and on a full disk the "
      "kernel ends the process by SIGBUS then; use kPosixShm (with a tmpfs on "
      "/dev/shm), kSysV, or a file system that writes in place: ext4, tmpfs, "
      "or XFS of mkfs.xfs -m reflink=0"));
}

// True if the file system can share blocks between files. Asks for a clone of
// the file onto itself, which changes nothing. A file system without shared
// blocks refuses before it compares the two files.
absl::StatusOr<bool> CanShareBlocks(const File& file) {
  void* const self = reinterpret_cast<void*>(static_cast<intptr_t>(file.fd()));
  if (Control(file, FICLONE, self) == 0) return true;
  switch (errno) {
    case EOPNOTSUPP:
    case ENOTTY:
    case ENOSYS:
      return false;
    case EINVAL:
    case ETXTBSY:
      return true;
    default:
      return ErrnoToStatus(errno,
                           "ask the file system whether it shares blocks",
                           file.path());
  }
}

uint64_t Fold(const void* bytes) {
  uint64_t halves[2];
  std::memcpy(halves, bytes, sizeof(halves));
  return halves[0] ^ (halves[1] << 1 | halves[1] >> 63);
}

// Returns the paths at which the file system with this device number is
// mounted, as far as this process sees them.
std::vector<std::string> MountsOf(uint64_t device) {
  std::vector<std::string> places;
  const absl::StatusOr<std::string> text = ReadToEnd("/proc/self/mountinfo");
  if (!text.ok()) return places;
  for (const absl::string_view line : absl::StrSplit(*text, '\n')) {
    unsigned first = 0;
    unsigned second = 0;
    char place[4096];
    if (std::sscanf(std::string(line).c_str(), "%*d %*d %u:%u %*s %4095s",
                    &first, &second, place) == 3 &&
        makedev(first, second) == device) {
      places.emplace_back(place);
    }
  }
  return places;
}

// True if the file system that has the device number now is not the file system
// `id`. False if this process does not see it or it has no number.
bool IsMountedByAnother(uint64_t device, uint64_t id) {
  for (const std::string& place : MountsOf(device)) {
    const absl::StatusOr<File> dir = File::OpenDirectory(place);
    if (!dir.ok()) continue;
    const absl::StatusOr<FileInfo> info = dir->Info();
    if (!info.ok() || info->identity.device != device) continue;
    const uint64_t found = FileSystemId(*dir);
    return found != 0 && found != id;
  }
  return false;
}

}  // namespace

absl::Status CheckWritesInPlace(const File& file) {
  MPOOL_ASSIGN_OR_RETURN(const struct statfs raw, StatFs(file));
  const auto type = static_cast<uint32_t>(raw.f_type);
  switch (type) {
    case EXT4_SUPER_MAGIC:
    case TMPFS_MAGIC:
    case RAMFS_MAGIC:
      return absl::OkStatus();
    // This includes files without copy-on-write (chattr +C). A snapshot makes
    // the file system copy their blocks once more. Before Linux 6.17 a mapping
    // needs the new block anyway. Later kernels wait in vain for blocks at
    // every fault on a full disk.
    case BTRFS_SUPER_MAGIC:
    case kBcachefs:
    case kZfs:
      return NotInPlace(file, type);
    default:
      break;
  }
  MPOOL_ASSIGN_OR_RETURN(const bool shares, CanShareBlocks(file));
  return shares ? NotInPlace(file, type) : absl::OkStatus();
}

void SettleIdentity(const File& dir) {
  const absl::StatusOr<struct statfs> raw = StatFs(dir);
  if (!raw.ok() || raw->f_type != OVERLAYFS_SUPER_MAGIC) return;
  const int fd = RetryEintr([&] {
    return Sys().openat(dir.fd(), ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  });
  if (fd >= 0) {
    Sys().close(fd);
    return;
  }
  // Before Linux 6.1 an overlay has no O_TMPFILE. This chmod changes nothing
  // else.
  const absl::StatusOr<FileInfo> info = dir.Info();
  if (errno == EOPNOTSUPP && info.ok()) {
    Sys().fchmod(dir.fd(), info->mode & 07777);
  }
}

uint64_t FileSystemId(const File& file) {
  const absl::StatusOr<struct statfs> raw = StatFs(file);
  if (!raw.ok()) return 0;
  uint64_t fsid = 0;
  static_assert(sizeof(raw->f_fsid) == sizeof(fsid));
  std::memcpy(&fsid, &raw->f_fsid, sizeof(fsid));
  // f_fsid differs between subvolumes, and the UUID does not.
  if (raw->f_type == BTRFS_SUPER_MAGIC) return fsid;
  FsUuid uuid = {};
  if (Control(file, kGetFsUuid, &uuid) == 0 && uuid.size == 16) {
    return Fold(uuid.bytes);
  }
  XfsGeometry geometry = {};
  if (raw->f_type == XFS_SUPER_MAGIC &&
      Control(file, kXfsGeometry, &geometry) == 0) {
    return Fold(geometry.uuid);
  }
  return raw->f_type == EXT4_SUPER_MAGIC ? fsid : 0;
}

bool WasMountedAs(const File& dir, uint64_t device, uint64_t id) {
  if (id == 0 || FileSystemId(dir) != id) return false;
  const absl::StatusOr<struct statfs> raw = StatFs(dir);
  const absl::StatusOr<FileInfo> info = dir.Info();
  if (!raw.ok() || !info.ok()) return false;
  MPOOL_ASSERT(info->identity.device != device);
  // The kernel refuses to mount a second btrfs with the same number.
  if (raw->f_type == BTRFS_SUPER_MAGIC) return true;
  // ustat knows the device numbers of all mounts, but not of subvolumes.
  std::byte unused[64];
  if (Sys().ustat(info->identity.device, unused) != 0) return false;
  if (Sys().ustat(device, unused) != 0) return errno == EINVAL;
  return IsMountedByAnother(device, id);
}

}  // namespace mpool::os
