// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// map_heap.cc - Backing::kHeap, private memory of one process. The kernel
// backs its pages when they are first touched.

#include <sys/mman.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "os/map_backings.h"
#include "os/status.h"
#include "os/syscalls.h"

namespace mpool::os {
namespace {

class HeapMapping : public Mapping {
 public:
  HeapMapping(std::byte* base, const MappingOptions& options)
      : backed_bytes_(options.size_bytes) {
    base_ = base;
    reserved_bytes_ = options.reserved_bytes;
  }
  ~HeapMapping() override { Sys().munmap(base_, reserved_bytes_); }

  absl::Status Grow(uint64_t size_bytes) override {
    if (size_bytes > reserved_bytes_) {
      return absl::InvalidArgumentError(
          absl::StrCat("grow region to ", size_bytes,
                       " bytes: it is mapped with room for ", reserved_bytes_));
    }
    backed_bytes_ = std::max(backed_bytes_, size_bytes);
    return absl::OkStatus();
  }

  absl::StatusOr<uint64_t> BackedBytes() const override {
    return backed_bytes_;
  }

 private:
  uint64_t backed_bytes_;
};

}  // namespace

MappingOr CreateHeap(const MappingOptions& options) {
  MPOOL_ASSIGN_OR_RETURN(
      std::byte * base,
      MapBytes(options.reserved_bytes, PROT_READ | PROT_WRITE,
               MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, "heap"));
  return std::make_unique<HeapMapping>(base, options);
}

}  // namespace mpool::os
