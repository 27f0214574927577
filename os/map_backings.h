// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// map_backings.h - what the backings show to the factory in mapping.cc, and
// what those that map a file have in common. Private to os/.

#ifndef MPOOL_OS_MAP_BACKINGS_H_
#define MPOOL_OS_MAP_BACKINGS_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "os/file.h"
#include "os/mapping.h"

namespace mpool::os {

using MappingOr = absl::StatusOr<std::unique_ptr<Mapping>>;

MappingOr CreatePosixShm(const File& dir, std::string_view name,
                         const MappingOptions& options);
MappingOr JoinPosixShm(const File& dir, std::string_view name,
                       const MappingOptions& options);
absl::Status RemovePosixShm(const File& dir, std::string_view name);
absl::Status RenamePosixShm(const File& dir, std::string_view from,
                            std::string_view to);
absl::StatusOr<uint64_t> PosixShmSize(const File& dir, std::string_view name);
// Those of a home, which begin with `prefix`; removes them if told so.
std::vector<std::string> PosixShmOf(const File& dir, std::string_view prefix,
                                    bool remove);

MappingOr CreateFileMapping(const File& dir, std::string_view name,
                            const MappingOptions& options);
MappingOr JoinFileMapping(const File& dir, std::string_view name,
                          const MappingOptions& options);
absl::StatusOr<uint64_t> FileMappingSize(const File& dir,
                                         std::string_view name);

MappingOr CreateSysV(std::string_view name, const MappingOptions& options);
MappingOr JoinSysV(const File& dir, std::string_view name,
                   const MappingOptions& options);
absl::Status RemoveSysV(const File& dir, std::string_view name);
absl::Status RenameSysV(const File& dir, std::string_view from,
                        std::string_view to);
absl::StatusOr<bool> IsSysVInUse(const File& dir, std::string_view name);
absl::StatusOr<uint64_t> SysVSize(const File& dir, std::string_view name);
// `prefix` is what the names of a home have in common.
std::string SysVName(std::string_view prefix, uint64_t creation,
                     std::optional<int> key);
// Memory that only forked children share, made for the home of `prefix`.
MappingOr CreateSysVPrivate(std::string_view prefix,
                            const MappingOptions& options);
// Those of a home; removes them if told so.
std::vector<std::string> SysVSegmentsOf(const File& dir,
                                        std::string_view prefix, bool remove);

// What the names of a home's segments begin with: device and inode, so that no
// other home that exists has the same.
std::string NamePrefix(const FileIdentity& home);

MappingOr CreateHeap(const MappingOptions& options);
MappingOr CreateAnonymous(const MappingOptions& options);
MappingOr CreateDevZero(const MappingOptions& options);

// Where the memory lies, anybody may make a file. What others made under a name
// of ours is neither joined nor removed, see trust.h.

// How a mapped segment is found again, and what to say when it has no room.
struct SegmentName {
  std::function<absl::StatusOr<File>(const File::OpenOptions&)> open;
  std::string room;    // the directory or mount the segment lives in
  std::string advice;  // what to do when that is full
};

// How to open one that exists.
File::OpenOptions ExistingSegment(bool read_only);

// The size of a file below `dir`, or of an absolute name, if it is what T2 and
// T3 of trust.h ask for.
absl::StatusOr<uint64_t> OwnSize(const File& dir, std::string_view name);
// What was opened to be joined: T2 and T3 of trust.h, and filesystem.h if it is
// to be changed.
absl::Status CheckSegment(const File& dir, const File& file, bool read_only);

// Sizes the new, empty `file`, reserves its blocks and maps it. Leaves the
// removal after an error to the caller.
MappingOr MapNewSegment(const File& file, SegmentName name,
                        const MappingOptions& options);
MappingOr MapSegment(const File& file, SegmentName name,
                     const MappingOptions& options);

// A process that dumps a cache of gigabytes keeps its locks all that time.
void LeaveOutOfDumps(std::byte* base, uint64_t size_bytes);
// The error of a lock on memory, with what to do about it.
absl::Status CannotLock(int error, uint64_t size_bytes);

// Address space with `protection`; `fd` is -1 for private memory.
absl::StatusOr<std::byte*> MapBytes(uint64_t size_bytes, int protection,
                                    int flags, int fd, std::string_view what);

}  // namespace mpool::os

#endif  // MPOOL_OS_MAP_BACKINGS_H_
