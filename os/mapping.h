// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// mapping.h - the memory of a region, one class per backing behind one
// interface.
//
// Address space is reserved for the largest size at once, so that the memory
// grows without moving. The memory's blocks are reserved at create and at
// grow: a full file system is an error there, and never SIGBUS later.

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

// Who can come to a mapping.
enum class Reach { kOneProcess, kForkedChildren, kAnyProcess };
Reach ReachOf(Backing backing);

struct MappingOptions;

class Mapping {
 public:
  virtual ~Mapping() = default;
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;

  std::byte* base() const { return base_; }
  // Bytes of address space, not all of which need be backed yet.
  uint64_t reserved_bytes() const { return reserved_bytes_; }

  // Backs [offset, offset + bytes) with memory; blocks that are there stay.
  // InvalidArgument beyond reserved_bytes().
  virtual absl::Status Back(uint64_t offset, uint64_t bytes) = 0;
  absl::Status Grow(uint64_t size_bytes) { return Back(0, size_bytes); }
  // All that `options` wants to have from the start.
  absl::Status BackNew(const MappingOptions& options);
  // Gives the memory of [offset, offset + bytes) back to the system, for every
  // process that maps it; it reads zero from then on, and must be backed again
  // before it is touched. REQUIRES: both are multiples of 4096.
  absl::Status Release(uint64_t offset, uint64_t bytes);
  // Bytes that are backed, as the kernel knows it.
  virtual absl::StatusOr<uint64_t> BackedBytes() const = 0;
  // Makes the memory of [offset, offset + bytes) be there now, and not when it
  // is first touched; bytes stay. ResourceExhausted if the machine has no room.
  absl::Status Populate(uint64_t offset, uint64_t bytes);
  // Keeps that memory from being swapped.
  virtual absl::Status LockMemory(uint64_t offset, uint64_t bytes);
  // Asks for transparent huge pages; what the kernel does is its own business.
  void AdviseHugePages();
  // What it did: bytes that this process maps by huge pages.
  uint64_t HugeBytes() const;
  // Permission bits of the segment when it was mapped; 0 if it has none.
  uint32_t permissions() const { return permissions_; }

 protected:
  Mapping() = default;
  // What Back refuses.
  absl::Status CheckRange(uint64_t offset, uint64_t bytes,
                          bool read_only) const;
  // The advice that gives memory back: MADV_REMOVE where it is shared.
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
  int permissions = 0600;       // create only; exact, whatever the umask
  bool read_only = false;       // join only
};

// The name of a new segment for a home, told apart by `creation`. `sysv_key`
// is that of kSysV, if it shall not follow from them.
std::string MappingName(Backing backing, const FileIdentity& home,
                        uint64_t creation,
                        std::optional<int> sysv_key = std::nullopt);
// The name that the segment `name` has if its home has that identity.
std::string NameUnder(Backing backing, const FileIdentity& home,
                      uint64_t creation, std::string_view name);
// Whether MappingName gives such a name, for whatever key.
bool IsMappingName(Backing backing, const FileIdentity& home,
                   uint64_t creation, std::string_view name);

// The segment `name`: a shm object's name ("/mpool-...") for kPosixShm, a file
// name below `dir` for kFile, ignored by those that have no names. Create fails
// with AlreadyExists if the name is taken, and removes it again if it fails
// later.
// This is the one factory that names backings.
absl::StatusOr<std::unique_ptr<Mapping>> CreateMapping(
    Backing backing, const File& dir, std::string_view name,
    const MappingOptions& options);
absl::StatusOr<std::unique_ptr<Mapping>> JoinMapping(
    Backing backing, const File& dir, std::string_view name,
    const MappingOptions& options);
// Ok if it is not there. What others made under the name (see trust.h) is left
// alone if it lies outside of `dir`, and an error below it.
absl::Status RemoveMapping(Backing backing, const File& dir,
                           std::string_view name);
// Gives the segment another name, that of a home with another device number;
// Ok if it has that name. NotFound if there is none. All or nothing.
absl::Status RenameMapping(Backing backing, const File& dir,
                           std::string_view from, std::string_view to);
// Every segment that was ever made for the home `dir`; how many there were.
// REQUIRES: nobody uses the home.
absl::StatusOr<uint32_t> RemoveStrayMappings(const File& dir);
bool HasStrayMappings(const File& dir);
// Whether a process has an existing segment mapped, other than to look at it. A
// forked child that has it from its parent counts.
absl::StatusOr<bool> IsMappingInUse(Backing backing, const File& dir,
                                    std::string_view name);
// Size of an existing segment; NotFound if there is none.
absl::StatusOr<uint64_t> MappingSize(Backing backing, const File& dir,
                                     std::string_view name);

// A line of memory that a fork wipes: in the child it reads zero. It tells a
// process from its forked children without a system call.
class ForkMarker {
 public:
  // One that reads zero in every process.
  ForkMarker() = default;
  ~ForkMarker();
  ForkMarker(const ForkMarker&) = delete;
  ForkMarker& operator=(const ForkMarker&) = delete;
  // Gives it memory of its own. REQUIRES: it has none yet.
  absl::Status Map();
  uint32_t* word() const { return word_; }

 private:
  static constinit uint32_t zero;

  uint32_t* word_ = &zero;
};

}  // namespace mpool::os

#endif  // MPOOL_OS_MAPPING_H_
