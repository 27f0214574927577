// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// file_handle.h - asks the kernel if a file exists that has lost its path.
//
// A path proves nothing about a removed file: another program may have renamed
// it. name_to_handle_at(2) gives any process a handle of an inode.
// open_by_handle_at(2) finds the inode again, and needs CAP_DAC_READ_SEARCH.

#ifndef MPOOL_OS_FILE_HANDLE_H_
#define MPOOL_OS_FILE_HANDLE_H_

#include <array>
#include <cstdint>

#include "os/file.h"

namespace mpool::os {

// A handle in words that fit into shared memory. All words 0: no handle.
// Byte 0 is the length, bytes 2 and 3 are the type, bytes from 4 on the handle.
struct FileHandle {
  static constexpr size_t kMaxBytes = 28;
  std::array<uint64_t, 4> words{};
};

// Returns the handle of an open file. Returns no handle if the file system has
// none, if it is too long, or if the system call is refused.
FileHandle HandleOf(const File& file);

enum class Presence {
  kPresent,
  kGone,     // proven: the inode has no name, and no path leads to it again
  kUnknown,  // no handle, or no right to open it
};

// Looks for the inode in the file system of `anchor`, an open directory.
Presence PresenceOf(const File& anchor, const FileHandle& handle);

}  // namespace mpool::os

#endif  // MPOOL_OS_FILE_HANDLE_H_
