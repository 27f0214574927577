// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// shared_file.cc - the mapping of a file.
//
// Invariants:
// 1. No fd stays open, so that a program that closes all fds does no harm.
// 2. Back finds the file again by name and checks that it is the mapped file.
// 3. Holes of the file are never touched.

#include "os/backing/shared_file.h"

#include <errno.h>
#include <sys/mman.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "os/backing/address_space.h"
#include "os/directory.h"
#include "os/filesystem.h"
#include "os/lock_file.h"
#include "os/status.h"
#include "os/syscalls.h"
#include "os/trust.h"

namespace mpool::os {
namespace {

// Reserves blocks with File::Reserve. An error for lack of room has the advice
// of `name`.
absl::Status ReserveSegment(const File& file, const SegmentName& name,
                            uint64_t offset, uint64_t size_bytes) {
  const absl::Status reserved = file.Reserve(offset, size_bytes);
  const int error = StatusErrno(reserved);
  if (error != ENOSPC && error != EDQUOT && error != ENOMEM) return reserved;
  return ErrnoToStatus(error, "reserve memory", file.path(),
                       absl::StrCat("region needs ", size_bytes, " bytes in ",
                                    name.room, "; ", name.advice));
}

class SharedMapping : public Mapping {
 public:
  SharedMapping(std::byte* base, const MappingOptions& options,
                const FileInfo& info, SegmentName name)
      : read_only_(options.read_only),
        identity_(info.identity),
        name_(std::move(name)) {
    permissions_ = info.mode & 0777;
    base_ = base;
    reserved_bytes_ = options.reserved_bytes;
  }
  ~SharedMapping() override { Sys().munmap(base_, reserved_bytes_); }

  absl::Status Back(uint64_t offset, uint64_t bytes) override {
    MPOOL_RETURN_IF_ERROR(CheckRange(offset, bytes, read_only_));
    MPOOL_ASSIGN_OR_RETURN(const File file, Reopen());
    return ReserveSegment(file, name_, offset, bytes);
  }

  absl::StatusOr<uint64_t> BackedBytes() const override {
    MPOOL_ASSIGN_OR_RETURN(const File file, Reopen());
    MPOOL_ASSIGN_OR_RETURN(const FileInfo info, file.Info());
    return info.allocated_bytes;
  }

 private:
  absl::StatusOr<File> Reopen() const {
    MPOOL_ASSIGN_OR_RETURN(File file, name_.open(ExistingSegment(read_only_)));
    MPOOL_ASSIGN_OR_RETURN(const FileInfo info, file.Info());
    if (info.identity == identity_) return file;
    return absl::FailedPreconditionError(absl::StrCat(
        "find mapped region again: ", file.path(),
        ": another file has the name now; close the environment and open it "
        "again"));
  }

  bool read_only_;
  FileIdentity identity_;
  SegmentName name_;
};

}  // namespace

File::OpenOptions ExistingSegment(bool read_only) {
  return {.mode = read_only ? File::Mode::kReadOnly : File::Mode::kReadWrite,
          .no_follow = true,
          .regular = true};
}

absl::StatusOr<uint64_t> OwnSize(const File& dir, std::string_view name) {
  MPOOL_ASSIGN_OR_RETURN(const FileInfo home, dir.Info());
  MPOOL_ASSIGN_OR_RETURN(const FileInfo info, InfoAt(dir, name));
  MPOOL_RETURN_IF_ERROR(CheckOwn(home, info, PathBelow(dir, name)));
  return info.size_bytes;
}

absl::Status CheckSegment(const File& dir, const File& file, bool read_only) {
  MPOOL_ASSIGN_OR_RETURN(const FileInfo home, dir.Info());
  MPOOL_ASSIGN_OR_RETURN(const FileInfo info, file.Info());
  MPOOL_RETURN_IF_ERROR(CheckOwn(home, info, file.path()));
  return read_only ? absl::OkStatus() : CheckWritesInPlace(file);
}

MappingOr MapNewSegment(const File& file, SegmentName name,
                        const MappingOptions& options) {
  // Blocks are reserved before the resize, so that a file that has its first
  // pages has memory behind them. The file covers all of the address space; the
  // parts that are not backed are holes.
  MPOOL_RETURN_IF_ERROR(CheckWritesInPlace(file));
  MPOOL_RETURN_IF_ERROR(ReserveSegment(file, name, 0, options.size_bytes));
  if (options.tail_bytes != 0) {
    MPOOL_RETURN_IF_ERROR(ReserveSegment(file, name, options.tail_offset,
                                         options.tail_bytes));
  }
  MPOOL_RETURN_IF_ERROR(file.Resize(options.reserved_bytes));
  return MapSegment(file, std::move(name), options);
}

MappingOr MapSegment(const File& file, SegmentName name,
                     const MappingOptions& options) {
  MPOOL_ASSIGN_OR_RETURN(const FileInfo info, file.Info());
  if (!options.read_only) MarkMapped(file);
  const int protection = options.read_only ? PROT_READ : PROT_READ | PROT_WRITE;
  MPOOL_ASSIGN_OR_RETURN(
      std::byte * base, MapBytes(options.reserved_bytes, protection, MAP_SHARED,
                                 file.fd(), file.path()));
  return std::make_unique<SharedMapping>(base, options, info, std::move(name));
}

}  // namespace mpool::os
