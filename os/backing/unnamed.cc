// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// unnamed.cc - memory without a name: Backing::kHeap, private to one
// process, and Backing::kAnonymous and kDevZero, which forked children inherit.
//
// kHeap allocates a page at its first touch. The other two allocate all pages
// in Back, because a touch of a missing page would kill several processes.

#include <sys/mman.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "os/backing/address_space.h"
#include "os/backing/table.h"
#include "os/control_group.h"
#include "os/status.h"
#include "os/syscalls.h"

namespace mpool::os {
namespace {

constexpr int kProtection = PROT_READ | PROT_WRITE;

class UnnamedMapping : public Mapping {
 public:
  UnnamedMapping(std::byte* base, uint64_t reserved_bytes, int flags)
      : is_shared_((flags & MAP_SHARED) != 0) {
    base_ = base;
    reserved_bytes_ = reserved_bytes;
  }
  ~UnnamedMapping() override { Sys().munmap(base_, reserved_bytes_); }

  absl::Status Back(uint64_t offset, uint64_t bytes) override {
    MPOOL_RETURN_IF_ERROR(CheckRange(offset, bytes, /*read_only=*/false));
    MPOOL_RETURN_IF_ERROR(
        is_shared_ ? Populate(offset, bytes)
                   : CheckGroupMemory(AbsentBytes(offset, bytes)));
    backed_bytes_ = std::max(backed_bytes_, offset + bytes);
    return absl::OkStatus();
  }

  // Returns the highest end that this process backed.
  absl::StatusOr<uint64_t> BackedBytes() const override {
    return backed_bytes_;
  }

 protected:
  int release_advice() const override {
    return is_shared_ ? MADV_REMOVE : MADV_DONTNEED;
  }

 private:
  const bool is_shared_;
  uint64_t backed_bytes_ = 0;
};

MappingOr Map(const MappingOptions& options, int flags, int fd,
              std::string_view what) {
  MPOOL_ASSIGN_OR_RETURN(std::byte * base,
                         MapBytes(options.reserved_bytes, kProtection,
                                  flags | MAP_NORESERVE, fd, what));
  auto mapping =
      std::make_unique<UnnamedMapping>(base, options.reserved_bytes, flags);
  MPOOL_RETURN_IF_ERROR(mapping->BackNew(options));
  return mapping;
}

MappingOr CreateHeap(const File&, std::string_view,
          const MappingOptions& options) {
  return Map(options, MAP_PRIVATE | MAP_ANONYMOUS, -1, "heap");
}

MappingOr CreateAnonymous(const File&, std::string_view,
          const MappingOptions& options) {
  return Map(options, MAP_SHARED | MAP_ANONYMOUS, -1, "anonymous memory");
}

// Each mapping of the device is a separate memory.
MappingOr CreateDevZero(const File&, std::string_view,
          const MappingOptions& options) {
  constexpr char kDevice[] = "/dev/zero";
  MPOOL_ASSIGN_OR_RETURN(const File file, File::Open(kDevice, {}));
  return Map(options, MAP_SHARED, file.fd(), kDevice);
}

}  // namespace

constinit const BackingOps kHeapOps = {.create = CreateHeap};
constinit const BackingOps kAnonymousOps = {.create = CreateAnonymous};
constinit const BackingOps kDevZeroOps = {.create = CreateDevZero};

}  // namespace mpool::os
