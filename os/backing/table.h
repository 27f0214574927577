// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// table.h - the table of backings.
//
// Role: the one place that lists backings. The check of options, the command
//       line, the tests and segment.h look backings up here, so that no other
//       code has a list of its own.

#ifndef MPOOL_OS_BACKING_TABLE_H_
#define MPOOL_OS_BACKING_TABLE_H_

#include <array>
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
#include "os/backing/segment_name.h"
#include "os/file.h"

namespace mpool::os {

// The processes that can use a mapping.
enum class Reach { kOneProcess, kForkedChildren, kAnyProcess };

enum class Strays { kCount, kRemove };

// A segment of this machine, found without its home.
struct FoundSegment {
  Backing backing = Backing::kPosixShm;
  std::string name;    // as MappingName; empty if the segment carries none
  NameParts parts;     // zeros without a name
  int id = -1;         // of System V memory
  FileIdentity file;   // of the file, if the memory is one
  uint64_t size_bytes = 0;  // address space
  uint64_t used_bytes = 0;  // in memory or in swap
  uint32_t user = 0;        // the creator
};

// The functions of a backing. `dir` is the home; segment.h describes the
// results. Every user may create files where the backings create theirs. A
// segment of an untrusted user under a name of mpool is neither joined nor
// removed, see trust.h.
struct BackingOps {
  // Creates the memory. `name` is empty for memory without a name.
  MappingOr (*create)(const File& dir, std::string_view name,
                      const MappingOptions& options) = nullptr;

  // The other functions are nullptr for memory without a name.
  MappingOr (*join)(const File& dir, std::string_view name,
                    const MappingOptions& options) = nullptr;
  absl::Status (*remove)(const File& dir, std::string_view name) = nullptr;
  // nullptr also if the name is the same for each device number of the home.
  absl::Status (*rename)(const File& dir, std::string_view from,
                         std::string_view to) = nullptr;
  absl::StatusOr<uint64_t> (*size)(const File& dir,
                                   std::string_view name) = nullptr;
  absl::StatusOr<bool> (*is_in_use)(const File& dir,
                                    std::string_view name) = nullptr;
  // Returns the name of a new segment. `prefix` is the NamePrefix of the home.
  // nullptr also if it is DefaultName.
  std::string (*name)(std::string_view prefix, uint64_t creation,
                      std::optional<int> key) = nullptr;
  // Returns the number of the home's segments, after their removal if
  // `strays` is kRemove.
  absl::StatusOr<uint32_t> (*strays)(const File& dir, std::string_view prefix,
                                     Strays strays) = nullptr;

  // Appends the segments of all homes that this process may look at. nullptr
  // also if the memory is below the home.
  void (*list)(std::vector<FoundSegment>* found) = nullptr;
  // The functions on a segment of a list. nullptr if none can be in a list.
  absl::StatusOr<size_t> (*read)(const FoundSegment& found, uint64_t offset,
                                 std::span<std::byte> out) = nullptr;
  absl::StatusOr<bool> (*is_held)(const FoundSegment& found) = nullptr;
  absl::Status (*discard)(const FoundSegment& found) = nullptr;
};

// Each is defined in the file of its backing.
extern const BackingOps kPosixShmOps;
extern const BackingOps kFileOps;
extern const BackingOps kSysVOps;
extern const BackingOps kAnonymousOps;
extern const BackingOps kDevZeroOps;
extern const BackingOps kHeapOps;
extern const BackingOps kSysVPrivateOps;

struct BackingRow {
  Backing backing;
  std::string_view name;        // on the command line and in JSON
  std::string_view enumerator;  // in errors
  Reach reach;
  bool has_key;  // a System V key, which EnvOptions::sysv_key can set
  const BackingOps* ops;
  // Where its memory is a file. "" is the home, for a backing with a file.
  std::string_view directory = "";
};

// The table, in the order of the enum.
inline constexpr auto kBackingRows = std::to_array<BackingRow>({
    {Backing::kPosixShm, "posix-shm", "kPosixShm", Reach::kAnyProcess, false,
     &kPosixShmOps, "/dev/shm"},
    {Backing::kFile, "file", "kFile", Reach::kAnyProcess, false, &kFileOps},
    {Backing::kSysV, "sysv", "kSysV", Reach::kAnyProcess, true, &kSysVOps},
    {Backing::kAnonymous, "anonymous", "kAnonymous", Reach::kForkedChildren,
     false, &kAnonymousOps},
    {Backing::kDevZero, "dev-zero", "kDevZero", Reach::kForkedChildren, false,
     &kDevZeroOps},
    {Backing::kHeap, "heap", "kHeap", Reach::kOneProcess, false, &kHeapOps},
    {Backing::kSysVPrivate, "sysv-private", "kSysVPrivate",
     Reach::kForkedChildren, false, &kSysVPrivateOps},
});

// Returns the row of a backing; nullptr if there is none. Accepts any value.
const BackingRow* FindBacking(Backing backing);
// Returns kAnyProcess for an unknown backing.
Reach ReachOf(Backing backing);
// Returns a column of the backings that any process can join, for messages:
// "A, B or C".
std::string SharedBackings(
    std::string_view BackingRow::*column = &BackingRow::enumerator);

}  // namespace mpool::os

#endif  // MPOOL_OS_BACKING_TABLE_H_
