// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// memory.h - the mapping of a region in this process: addresses, bounds, growth
// and preparation of the memory.
//
// Role:        turns offsets into addresses. Knows the header and the heap, but
//              no process and no file of the home.
// Concurrency: all calls are thread-safe except Use.
// Invariants:  M1 the memory never moves: Use is called once, at attach.
//              M2 size_bytes rises only after the memory below it is backed.

#ifndef MPOOL_REGION_MEMORY_H_
#define MPOOL_REGION_MEMORY_H_

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "os/assert.h"
#include "os/backing/mapping.h"
#include "os/status.h"
#include "region/layout.h"
#include "region/shalloc.h"

namespace mpool::region {

// Returns DataLoss: `part` of the region is damaged.
absl::Status Damaged(std::string_view part);

struct MemoryOptions {
  bool huge_pages = true;
  bool prefault = false;
  bool lock_memory = false;
};

class Memory {
 public:
  // Memory that is not mapped yet. `home` is the path for messages.
  Memory(std::string home, const MemoryOptions& options)
      : home_(std::move(home)),
        huge_pages_(options.huge_pages),
        prefault_(options.prefault),
        lock_memory_(options.lock_memory) {}
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;

  // Starts to use a mapping of the region. `fixed` is a sound copy of its fixed
  // header. REQUIRES: Use was not called before.
  void Use(std::unique_ptr<os::Mapping> mapping, const FixedHeader& fixed);

  std::byte* base() const { return base_; }
  RegionHeader* header() const { return header_; }
  const FixedHeader& fixed() const { return fixed_; }
  Shalloc& heap() { return heap_; }
  const Shalloc& heap() const { return heap_; }
  uint64_t mapping_bytes() const { return mapping_->reserved_bytes(); }
  // Returns the bytes of the mapping that this process has in huge pages.
  uint64_t HugeBytes() const { return mapping_->HugeBytes(); }
  // Returns the permission bits of the memory's file or segment.
  uint32_t permissions() const { return mapping_->permissions(); }

  template <class T>
  T* At(uint64_t offset) const {
    MPOOL_ASSERT(base_ != nullptr);
    return reinterpret_cast<T*>(base_ + offset);
  }
  uint64_t OffsetOf(const void* place) const {
    MPOOL_ASSERT(place >= base_ && place < base_ + mapping_bytes());
    return static_cast<uint64_t>(static_cast<const std::byte*>(place) - base_);
  }
  // True if [offset, offset + size) lies inside the region's memory and
  // `offset` is a multiple of 8.
  bool Contains(uint64_t offset, uint64_t size) const {
    MPOOL_ASSERT(header_ != nullptr);
    const uint64_t end =
        std::min(header_->size_bytes.load(std::memory_order_acquire),
                 mapping_bytes());
    return size <= end && offset <= end - size && offset % 8 == 0;
  }

  // Backs the heap up to `size_bytes`. ResourceExhausted beyond the heap limit.
  // REQUIRES: the heap latch.
  absl::Status Grow(const Thread& self, uint64_t size_bytes);
  // Back and Release add and return memory beyond the heap, which belongs to
  // the client. Both calls can be repeated.
  absl::Status Back(uint64_t offset, uint64_t bytes) {
    MPOOL_ASSERT(bytes <= mapping_bytes() &&
                 offset <= mapping_bytes() - bytes);
    MPOOL_RETURN_IF_ERROR(mapping_->Back(offset, bytes));
    return PrepareMemory(offset, bytes);
  }
  absl::Status Release(uint64_t offset, uint64_t bytes) {
    MPOOL_ASSERT(bytes <= mapping_bytes() &&
                 offset <= mapping_bytes() - bytes);
    return mapping_->Release(offset, bytes);
  }
  // Prefaults and locks backed memory if the options say so. Each process does
  // this itself because page tables and memory locks are per process.
  absl::Status PrepareMemory(uint64_t offset, uint64_t bytes) const;
  bool prepares_memory() const { return prefault_ || lock_memory_; }
  // Turns on prefault or lock_memory, also for memory that is backed already.
  // `rest` prepares the client's memory. On failure the options stay as they
  // were. One call at a time.
  absl::Status PrepareMore(bool prefault, bool lock_memory,
                           const std::function<absl::Status()>& rest);

 private:
  const std::string home_;
  const bool huge_pages_;
  // The options that PrepareMore can turn on later.
  std::atomic<bool> prefault_;
  std::atomic<bool> lock_memory_;
  std::unique_ptr<os::Mapping> mapping_;
  std::byte* base_ = nullptr;
  RegionHeader* header_ = nullptr;
  FixedHeader fixed_;  // a sound copy
  Shalloc heap_{*this};
};

}  // namespace mpool::region

#endif  // MPOOL_REGION_MEMORY_H_
