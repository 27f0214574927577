// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// file_info.h - the identity and the state of a file.

#ifndef MPOOL_OS_FILE_INFO_H_
#define MPOOL_OS_FILE_INFO_H_

#include <cstdint>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace mpool::os {

// Identifies a file, also after the file system reuses its inode number.
struct FileIdentity {
  uint64_t device = 0;
  uint64_t inode = 0;
  // 0 where the file system keeps none, and in a process that may not call
  // statx. Its identities are weaker, see IsProvenSame.
  uint64_t birth_ns = 0;
  uint64_t generation = 0;  // see File::Generation; 0 where it is not known

  // An unknown time of birth or generation matches any.
  bool operator==(const FileIdentity& other) const {
    return device == other.device && IsSameInode(other);
  }
  // True for the same inode, also if the file system was mounted again with
  // another device number.
  bool IsSameInode(const FileIdentity& other) const {
    return inode == other.inode &&
           (birth_ns == 0 || other.birth_ns == 0 ||
            birth_ns == other.birth_ns) &&
           (generation == 0 || other.generation == 0 ||
            generation == other.generation);
  }
  // True if a later file with the same inode number has another identity.
  bool HasProof() const { return birth_ns != 0 || generation != 0; }
  // True if both identities know the same time of birth or generation. Equal
  // identities without that may be those of two files, one after the other.
  bool IsProvenSame(const FileIdentity& other) const {
    return *this == other &&
           ((birth_ns != 0 && birth_ns == other.birth_ns) ||
            (generation != 0 && generation == other.generation));
  }
  FileIdentity WithoutProof() const {
    return {.device = device, .inode = inode};
  }
};

struct FileInfo {
  FileIdentity identity;
  uint64_t size_bytes = 0;
  uint64_t allocated_bytes = 0;  // st_blocks * 512
  uint64_t mtime_ns = 0;
  uint64_t ctime_ns = 0;
  uint32_t mode = 0;  // with the file type bits
  uint32_t links = 0;
  uint32_t user = 0;
  uint32_t group = 0;
  bool is_regular = false;
  bool is_directory = false;
  bool is_link = false;  // set only by InfoAt and for a Node's O_PATH open
};

// Calls statx for `name` below the directory `fd`, or for `fd` if `name` is
// empty. Calls fstatat if a sandbox refuses statx; the time of birth is then
// unknown. `flags` are AT_ flags; `shown` is the path in errors. Returns
// NotFound if there is no such file.
absl::StatusOr<FileInfo> ReadInfo(int fd, const char* name, int flags,
                                  std::string_view shown);

// Returns the error for a file that is not regular. `mode` has its type.
absl::Status NotRegular(std::string_view path, uint32_t mode);

}  // namespace mpool::os

#endif  // MPOOL_OS_FILE_INFO_H_
