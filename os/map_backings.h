// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// map_backings.h - the functions of the backings for the factory in mapping.cc,
// and the common part of the backings that map a file. Private to os/.

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
// Returns the objects of a home: those of trusted users with names that begin
// with "/" and `prefix`. Removes them if `remove`.
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
// Returns the name of a segment. `prefix` is the NamePrefix of the home.
// Without `key` the key follows from the other two.
std::string SysVName(std::string_view prefix, uint64_t creation,
                     std::optional<int> key);
// Creates memory that only forked children share, for the home of `prefix`.
MappingOr CreateSysVPrivate(std::string_view prefix,
                            const MappingOptions& options);
// Returns the segments of a home. Removes them if `remove`.
std::vector<std::string> SysVSegmentsOf(const File& dir,
                                        std::string_view prefix, bool remove);

// Returns the prefix of the names of a home's segments. It contains device and
// inode, so that no other existing home has the same prefix.
std::string NamePrefix(const FileIdentity& home);

MappingOr CreateHeap(const MappingOptions& options);
MappingOr CreateAnonymous(const MappingOptions& options);
MappingOr CreateDevZero(const MappingOptions& options);

// Every user may create files where the backings create theirs. A segment of an
// untrusted user under a name of mpool is neither joined nor removed, see
// trust.h.

// The way to find a mapped segment again, and the advice if it has no room.
struct SegmentName {
  std::function<absl::StatusOr<File>(const File::OpenOptions&)> open;
  std::string room;    // the directory or mount that holds the segment
  std::string advice;  // the remedy if that is full
};

// Returns the options to open an existing segment.
File::OpenOptions ExistingSegment(bool read_only);

// Returns the size of a file below `dir`, or of an absolute `name`. Returns an
// error if the file violates T2 or T3 of trust.h.
absl::StatusOr<uint64_t> OwnSize(const File& dir, std::string_view name);
// Checks an opened segment before a join: T2 and T3 of trust.h, and
// CheckWritesInPlace unless `read_only`.
absl::Status CheckSegment(const File& dir, const File& file, bool read_only);

// Reserves the blocks of the new, empty `file`, sizes it and maps it. The
// caller removes the file after an error.
MappingOr MapNewSegment(const File& file, SegmentName name,
                        const MappingOptions& options);
MappingOr MapSegment(const File& file, SegmentName name,
                     const MappingOptions& options);

// Excludes the memory from core dumps, because a process keeps its locks as
// long as it dumps gigabytes of cache.
void LeaveOutOfDumps(std::byte* base, uint64_t size_bytes);
// Returns the error of a failed lock on memory, with a remedy.
absl::Status CannotLock(int error, uint64_t size_bytes);

// Maps address space with `protection`; `fd` is -1 for memory without a file.
absl::StatusOr<std::byte*> MapBytes(uint64_t size_bytes, int protection,
                                    int flags, int fd, std::string_view what);

}  // namespace mpool::os

#endif  // MPOOL_OS_MAP_BACKINGS_H_
