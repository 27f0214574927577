// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// mapping.h - the memory of a region, as this process maps it. Each backing has
// its own class behind this interface.
//
// Address space is reserved for the largest size at once, so that the memory
// grows without moving. Blocks are reserved at create and at grow, so that a
// full file system is an error there and never SIGBUS later.

#ifndef MPOOL_OS_BACKING_MAPPING_H_
#define MPOOL_OS_BACKING_MAPPING_H_

#include <cstddef>
#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace mpool::os {

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
  // touch; bytes stay. Returns ResourceExhausted if the machine or the control
  // group has no room.
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
  // Returns the number of bytes of [offset, offset + bytes) that a touch would
  // allocate.
  virtual uint64_t AbsentBytes(uint64_t offset, uint64_t bytes) const;
  // Returns the error of a failed lock on memory, with a remedy.
  static absl::Status CannotLock(int error, uint64_t size_bytes);
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

using MappingOr = absl::StatusOr<std::unique_ptr<Mapping>>;

}  // namespace mpool::os

#endif  // MPOOL_OS_BACKING_MAPPING_H_
