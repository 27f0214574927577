// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// segment.h - creates, finds and removes the memory of a region, by backing.
//
// A segment is memory with a name. Every function accepts any value of Backing.
// For an unknown one it returns InvalidArgument.

#ifndef MPOOL_OS_BACKING_SEGMENT_H_
#define MPOOL_OS_BACKING_SEGMENT_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "mpool/types.h"
#include "os/backing/mapping.h"
#include "os/backing/table.h"
#include "os/file.h"

namespace mpool::os {

// Returns the name of a new segment of a home. `creation` distinguishes the
// segments of a home. `sysv_key` is the key of kSysV; without it the key
// follows from the other arguments.
std::string MappingName(Backing backing, const FileIdentity& home,
                        uint64_t creation,
                        std::optional<int> sysv_key = std::nullopt);
// Returns the name that the segment `name` has if its home has that identity.
std::string NameUnder(Backing backing, const FileIdentity& home,
                      uint64_t creation, std::string_view name);
// True if MappingName returns `name` for some key.
bool IsMappingName(Backing backing, const FileIdentity& home,
                   uint64_t creation, std::string_view name);

// Creates or joins the segment `name`: a shm object's name ("/mpool-...") for
// kPosixShm, a name that begins with the key for kSysV, a file name below `dir`
// for kFile. Backings without names ignore it. CreateMapping returns
// AlreadyExists if the name is taken. It removes the segment again if it fails
// later. JoinMapping returns FailedPrecondition for backings without names.
MappingOr CreateMapping(Backing backing, const File& dir, std::string_view name,
                        const MappingOptions& options);
MappingOr JoinMapping(Backing backing, const File& dir, std::string_view name,
                      const MappingOptions& options);
// Removes a segment. Returns Ok if it does not exist. The segment of an
// untrusted user (see trust.h) stays. That is an error if the segment is below
// `dir`.
absl::Status RemoveMapping(Backing backing, const File& dir,
                           std::string_view name);
// Renames a segment to its name for a home with another device number. Returns
// Ok if it has that name already, NotFound if there is none. A crash leaves
// either the old or the new name.
absl::Status RenameMapping(Backing backing, const File& dir,
                           std::string_view from, std::string_view to);
// Removes every segment that was ever made for the home `dir`. Returns their
// number.
// REQUIRES: no process uses the home (not checkable: only the caller can lock
//           the home).
absl::StatusOr<uint32_t> RemoveStrayMappings(const File& dir);
bool HasStrayMappings(const File& dir);
// True if a process has an existing segment mapped; a mapping that a forked
// child inherited counts. A read-only mapping counts only with kSysV.
absl::StatusOr<bool> IsMappingInUse(Backing backing, const File& dir,
                                    std::string_view name);
// Returns the size of an existing segment; NotFound if there is none.
absl::StatusOr<uint64_t> MappingSize(Backing backing, const File& dir,
                                     std::string_view name);

// Returns the segments of all homes that this process may look at, sorted by
// name. Segments of memory without a name are among them, and perhaps segments
// of other programs that have no name either: check the header.
std::vector<FoundSegment> ListSegments();
// Reads bytes of a listed segment. Returns the number of bytes read. Does not
// map a file, because its owner may cut the file short.
absl::StatusOr<size_t> ReadSegment(const FoundSegment& found, uint64_t offset,
                                   std::span<std::byte> out);
// Returns a private copy of the first `size_bytes` of a listed segment, in
// `reserved_bytes` of address space.
MappingOr CopySegment(const FoundSegment& found, uint64_t size_bytes,
                      uint64_t reserved_bytes);
// True if a process has the listed segment mapped for writing, in any PID
// namespace.
absl::StatusOr<bool> IsSegmentHeld(const FoundSegment& found);
// Removes a listed segment, if it is still the listed one.
absl::Status DiscardSegment(const FoundSegment& found);

}  // namespace mpool::os

#endif  // MPOOL_OS_BACKING_SEGMENT_H_
