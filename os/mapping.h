// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// mapping.h - the memory of a region, one class per backing behind one
// interface.
//
// Address space is reserved for the largest size at once, so that the memory
// grows without moving. Blocks are reserved at create and at grow, so that a
// full file system is an error there and never SIGBUS later.

#ifndef MPOOL_OS_MAPPING_H_
#define MPOOL_OS_MAPPING_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "mpool/types.h"
#include "os/file.h"

namespace mpool::os {

// The processes that can use a mapping.
enum class Reach { kOneProcess, kForkedChildren, kAnyProcess };
Reach ReachOf(Backing backing);

struct MappingOptions;

class Mapping {
 public:
  virtual ~Mapping() = default;
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;

  std::byte* base() const { return base_; }
  // Bytes of address space. Not all of them need be backed yet.
  uint64_t reserved_bytes() const { return reserved_bytes_; }

  // Backs [offset, offset + bytes) with memory; blocks that exist stay. Returns
  // InvalidArgument beyond reserved_bytes(), or if the mapping is read-only.
  virtual absl::Status Back(uint64_t offset, uint64_t bytes) = 0;
  absl::Status Grow(uint64_t size_bytes) { return Back(0, size_bytes); }
  // Backs all parts that `options` requests from the start.
  absl::Status BackNew(const MappingOptions& options);
  // Returns the memory of [offset, offset + bytes) to the system, for every
  // process that maps it. The range reads zero afterwards, and must be backed
  // again before it is touched.
  // REQUIRES: both are multiples of 4096.
  absl::Status Release(uint64_t offset, uint64_t bytes);
  // Returns the number of backed bytes, as the kernel counts them. Without such
  // a count (kHeap, kAnonymous, kDevZero) it is the highest end that this
  // process backed.
  virtual absl::StatusOr<uint64_t> BackedBytes() const = 0;
  // Allocates the memory of [offset, offset + bytes) now and not at the first
  // touch; bytes stay. Returns ResourceExhausted if the machine has no room.
  absl::Status Populate(uint64_t offset, uint64_t bytes);
  // Keeps the memory of [offset, offset + bytes) from being swapped. kSysV
  // locks its whole segment.
  virtual absl::Status LockMemory(uint64_t offset, uint64_t bytes);
  // Requests transparent huge pages. The kernel may ignore the request.
  void AdviseHugePages();
  // Returns the number of bytes that this process maps by huge pages.
  uint64_t HugeBytes() const;
  // Permission bits of the segment when it was mapped; 0 if it has none.
  uint32_t permissions() const { return permissions_; }

 protected:
  Mapping() = default;
  // Returns InvalidArgument for a range that Back must refuse.
  absl::Status CheckRange(uint64_t offset, uint64_t bytes,
                          bool read_only) const;
  // The advice for Release: MADV_REMOVE if the memory is shared.
  virtual int release_advice() const;
  std::byte* base_ = nullptr;
  uint64_t reserved_bytes_ = 0;
  uint32_t permissions_ = 0;
};

struct MappingOptions {
  uint64_t size_bytes = 0;      // backed at once; create only
  uint64_t reserved_bytes = 0;  // address space
  // A second part that is backed at once; create only.
  uint64_t tail_offset = 0;
  uint64_t tail_bytes = 0;
  int permissions = 0600;       // create only; the umask does not apply
  bool read_only = false;       // join only
};

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
absl::StatusOr<std::unique_ptr<Mapping>> CreateMapping(
    Backing backing, const File& dir, std::string_view name,
    const MappingOptions& options);
absl::StatusOr<std::unique_ptr<Mapping>> JoinMapping(
    Backing backing, const File& dir, std::string_view name,
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
// REQUIRES: no process uses the home.
absl::StatusOr<uint32_t> RemoveStrayMappings(const File& dir);
bool HasStrayMappings(const File& dir);
// True if a process has an existing segment mapped; a mapping that a forked
// child inherited counts. A read-only mapping counts only with kSysV.
absl::StatusOr<bool> IsMappingInUse(Backing backing, const File& dir,
                                    std::string_view name);
// Returns the size of an existing segment; NotFound if there is none.
absl::StatusOr<uint64_t> MappingSize(Backing backing, const File& dir,
                                     std::string_view name);

// A line of memory that a fork wipes: it reads zero in the child. Its word
// distinguishes a process from its forked children without a system call.
class ForkMarker {
 public:
  // Makes a marker that reads zero in every process.
  ForkMarker() = default;
  ~ForkMarker();
  ForkMarker(const ForkMarker&) = delete;
  ForkMarker& operator=(const ForkMarker&) = delete;
  // Gives the marker its own memory.
  // REQUIRES: it has none yet.
  absl::Status Map();
  uint32_t* word() const { return word_; }

 private:
  static constinit uint32_t zero;

  uint32_t* word_ = &zero;
};

}  // namespace mpool::os

#endif  // MPOOL_OS_MAPPING_H_
