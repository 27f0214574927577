// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// file_handle.h - finds a file or directory by the number that its file system
// gives it, without a path. So a renamed directory is found, and the absence of
// a removed file is proven.

#ifndef MPOOL_OS_FILE_HANDLE_H_
#define MPOOL_OS_FILE_HANDLE_H_

#include <array>
#include <cstdint>
#include <string>

#include "os/file.h"

namespace mpool::os {

// A handle as name_to_handle_at(2) makes it. Zeros are no handle.
struct FileHandle {
  static constexpr uint32_t kMaxBytes = 128;  // the kernel's MAX_HANDLE_SZ
  uint32_t bytes = 0;
  int32_t type = 0;
  std::array<uint8_t, kMaxBytes> data = {};
};

// A handle in words of shared memory: from byte 0 its length 16 | type 16 |
// data. Zeros are no handle.
struct PackedHandle {
  static constexpr uint32_t kMaxBytes = 20;  // as ext4, XFS, btrfs, tmpfs need
  std::array<uint64_t, 3> words = {};
};
// Returns zeros for a handle that is too long.
PackedHandle Pack(const FileHandle& handle);
FileHandle Unpack(const PackedHandle& packed);

// Returns the handle of a file or directory; zeros if the file system has no
// handles, or the process may not ask for them.
FileHandle HandleOf(const File& file);

struct Located {
  enum class Kind {
    kFound,    // the directory exists
    kGone,     // the file system has no directory with the handle
    kUnknown,  // the process may not ask (CAP_DAC_READ_SEARCH), or an error
  };
  Kind kind = Kind::kUnknown;
  std::string path;  // of a found directory; empty if it is not known
};
// Finds the directory on the file system of `mount`.
Located FindByHandle(const File& mount, const FileHandle& handle);

enum class Presence {
  kPresent,
  kGone,     // proven: the file has no name left and gets none again
  kUnknown,  // no handle, or no right to open it (CAP_DAC_READ_SEARCH)
};
// Looks for a file on the file system of `mount`.
Presence PresenceOf(const File& mount, const FileHandle& handle);

// Opens the mount point of a file system that has the device number. Returns
// NotFound if this process sees none.
absl::StatusOr<File> OpenMountOf(uint64_t device);

}  // namespace mpool::os

#endif  // MPOOL_OS_FILE_HANDLE_H_
