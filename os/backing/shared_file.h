// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// shared_file.h - the common part of kPosixShm and kFile: a file, mapped
// MAP_SHARED over the whole of its address space at once.

#ifndef MPOOL_OS_BACKING_SHARED_FILE_H_
#define MPOOL_OS_BACKING_SHARED_FILE_H_

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "os/backing/mapping.h"
#include "os/file.h"

namespace mpool::os {

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

}  // namespace mpool::os

#endif  // MPOOL_OS_BACKING_SHARED_FILE_H_
