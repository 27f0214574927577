// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// segment_name.h - the names of segments.
//
// Each name contains the home's device and inode and the number of the
// creation. A name of System V memory begins with its key:
//   0x01234567/mpool-<device>-<inode>-<creation, 16 digits>

#ifndef MPOOL_OS_BACKING_SEGMENT_NAME_H_
#define MPOOL_OS_BACKING_SEGMENT_NAME_H_

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "os/file_info.h"

namespace mpool::os {

// The numbers in a name.
struct NameParts {
  uint64_t device = 0;  // of the home
  uint64_t inode = 0;
  uint64_t creation = 0;
};
// Returns the numbers in the name of a segment, with or without a key. Returns
// nullopt for any other text.
std::optional<NameParts> PartsOf(std::string_view name);

// Returns the prefix of the names of a home's segments. It contains device and
// inode, so that no other existing home has the same prefix.
std::string NamePrefix(const FileIdentity& home);
// Returns the name of a segment that has no key.
std::string DefaultName(std::string_view prefix, uint64_t creation);

// Returns the name of a System V segment. Without `key` the key follows from
// the other two.
std::string SysVName(std::string_view prefix, uint64_t creation,
                     std::optional<int> key);
uint32_t NameHash(std::string_view text);
// Returns the key that follows from prefix and creation. It is never
// IPC_PRIVATE.
uint32_t KeyOf(std::string_view prefix, uint64_t creation);
// Return the parts of a System V name. They accept any text.
key_t KeyIn(std::string_view name);
uint64_t CreationIn(std::string_view name);
std::string_view PrefixIn(std::string_view name);
// Returns the home's device number; 0 if the name is not of mpool.
uint64_t DeviceIn(std::string_view name);
// Returns the name with another device number.
std::string WithDevice(std::string_view name, uint64_t device);

}  // namespace mpool::os

#endif  // MPOOL_OS_BACKING_SEGMENT_NAME_H_
