// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "os/file_handle.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "os/assert.h"
#include "os/low_fds.h"
#include "os/process.h"
#include "os/status.h"
#include "os/syscalls.h"

namespace mpool::os {
namespace {

// The kernel's struct, with room for the largest handle.
struct KernelHandle {
  uint32_t bytes = FileHandle::kMaxBytes;
  int32_t type = 0;
  uint8_t data[FileHandle::kMaxBytes] = {};
};
static_assert(sizeof(KernelHandle) ==
              sizeof(file_handle) + FileHandle::kMaxBytes);

// Returns a path of /proc/self/mountinfo without its octal escapes.
std::string Unescaped(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    unsigned code = 0;
    if (text[i] == '\\' && i + 3 < text.size() &&
        std::sscanf(std::string(text.substr(i + 1, 3)).c_str(), "%3o", &code) ==
            1) {
      out.push_back(static_cast<char>(code));
      i += 3;
    } else {
      out.push_back(text[i]);
    }
  }
  return out;
}

}  // namespace

FileHandle HandleOf(const File& file) {
  MPOOL_ASSERT(file.is_open());
  KernelHandle kernel;
  int mount_id = 0;
  FileHandle handle;
  if (Sys().name_to_handle_at(file.fd(), "",
                              reinterpret_cast<file_handle*>(&kernel),
                              &mount_id, AT_EMPTY_PATH) != 0 ||
      kernel.bytes == 0 || kernel.bytes > FileHandle::kMaxBytes) {
    return handle;
  }
  handle.bytes = kernel.bytes;
  handle.type = kernel.type;
  std::copy_n(kernel.data, kernel.bytes, handle.data.begin());
  return handle;
}

PackedHandle Pack(const FileHandle& handle) {
  PackedHandle packed;
  if (handle.bytes == 0 || handle.bytes > PackedHandle::kMaxBytes ||
      handle.type < 0 || handle.type > 0xffff) {
    return packed;
  }
  const uint32_t head = handle.bytes | static_cast<uint32_t>(handle.type) << 16;
  auto* const out = reinterpret_cast<uint8_t*>(packed.words.data());
  std::memcpy(out, &head, sizeof head);
  std::memcpy(out + sizeof head, handle.data.data(), handle.bytes);
  return packed;
}

FileHandle Unpack(const PackedHandle& packed) {
  FileHandle handle;
  const auto* const in =
      reinterpret_cast<const uint8_t*>(packed.words.data());
  uint32_t head = 0;
  std::memcpy(&head, in, sizeof head);
  const uint32_t bytes = head & 0xffff;
  if (bytes == 0 || bytes > PackedHandle::kMaxBytes) return handle;
  handle.bytes = bytes;
  handle.type = static_cast<int32_t>(head >> 16);
  std::memcpy(handle.data.data(), in + sizeof head, bytes);
  return handle;
}

namespace {

// Returns an O_PATH fd, or -1 and errno. Closing it ends no record lock.
int OpenHandle(const File& mount, const FileHandle& handle) {
  MPOOL_ASSERT(mount.is_open());
  if (handle.bytes == 0 || handle.bytes > FileHandle::kMaxBytes) {
    errno = EINVAL;
    return -1;
  }
  KernelHandle kernel;
  kernel.bytes = handle.bytes;
  kernel.type = handle.type;
  std::copy_n(handle.data.begin(), handle.bytes, kernel.data);
  return Sys().open_by_handle_at(mount.fd(),
                                 reinterpret_cast<file_handle*>(&kernel),
                                 O_PATH | O_CLOEXEC);
}

}  // namespace

Presence PresenceOf(const File& mount, const FileHandle& handle) {
  const int fd = OpenHandle(mount, handle);
  if (fd < 0) return errno == ESTALE ? Presence::kGone : Presence::kUnknown;
  struct stat status = {};
  const int looked = Sys().fstat(fd, &status);
  Sys().close(fd);
  if (looked != 0) return Presence::kUnknown;
  // A process may still have the file open. A file without a link gets none
  // again, except a file that was opened with O_TMPFILE.
  return status.st_nlink == 0 ? Presence::kGone : Presence::kPresent;
}

Located FindByHandle(const File& mount, const FileHandle& handle) {
  Located located;
  const LowFds taken;
  const int fd = OpenHandle(mount, handle);
  if (fd < 0) {
    if (errno == ESTALE) located.kind = Located::Kind::kGone;
    return located;
  }
  absl::StatusOr<File> dir =
      File::OpenDirectory(absl::StrCat("/proc/self/fd/", fd));
  Sys().close(fd);
  if (!dir.ok()) return located;
  const absl::StatusOr<FileInfo> info = dir->Info();
  if (!info.ok()) return located;
  // A process may still have a removed directory open.
  if (info->links == 0) {
    located.kind = Located::Kind::kGone;
    return located;
  }
  located.kind = Located::Kind::kFound;
  located.path = dir->CurrentPath().value_or("");
  return located;
}

absl::StatusOr<File> OpenMountOf(uint64_t device) {
  MPOOL_ASSIGN_OR_RETURN(const std::string text,
                         ReadToEnd("/proc/self/mountinfo"));
  const std::string wanted =
      absl::StrCat(major(device), ":", minor(device));
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    // id, parent, major:minor, root, mount point
    const std::vector<std::string> fields = absl::StrSplit(line, ' ');
    if (fields.size() < 5 || fields[2] != wanted) continue;
    absl::StatusOr<File> mount = File::OpenDirectory(Unescaped(fields[4]));
    if (!mount.ok()) continue;
    const absl::StatusOr<FileInfo> info = mount->Info();
    // Another file system may be mounted over this one.
    if (info.ok() && info->identity.device == device) return mount;
  }
  return absl::NotFoundError(
      absl::StrCat("find the file system ", wanted,
                   ": it is not mounted here; look where it is mounted"));
}

}  // namespace mpool::os
