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
#include "os/control_group.h"
#include "os/directory.h"
#include "os/filesystem.h"
#include "os/filesystem_kind.h"
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

// Checks that the control group of this process allows a file in memory (tmpfs)
// to get `bytes` more. Other files may be dropped from memory at any time.
absl::Status CheckGroup(const File& file, uint64_t bytes) {
  return IsInMemory(file) ? CheckGroupMemory(bytes) : absl::OkStatus();
}

// Returns the error of a mapped file that its name does not lead to. A program
// that gives up rights or changes its root notices it here.
absl::Status CannotReopen(const absl::Status& error) {
  const int number = StatusErrno(error);
  if (number != EACCES && number != ENOENT) return error;
  return absl::Status(
      number == ENOENT ? absl::StatusCode::kFailedPrecondition : error.code(),
      absl::StrCat("find mapped region again: ", error.message(),
                   "; the process may have given up its rights (setuid) or "
                   "changed its root (chroot): resize before that, or from "
                   "another process ('mpool resize')"));
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
    MPOOL_ASSIGN_OR_RETURN(const FileInfo info, file.Info());
    // An estimate: the allocated blocks count as those of the lowest offsets.
    const uint64_t end = offset + bytes;
    const uint64_t absent = end - std::min(end, info.allocated_bytes);
    MPOOL_RETURN_IF_ERROR(CheckGroup(file, std::min(bytes, absent)));
    return ReserveSegment(file, name_, offset, bytes);
  }

  absl::StatusOr<uint64_t> BackedBytes() const override {
    MPOOL_ASSIGN_OR_RETURN(const File file, Reopen());
    MPOOL_ASSIGN_OR_RETURN(const FileInfo info, file.Info());
    return info.allocated_bytes;
  }

 protected:
  // Back has allocated all blocks.
  uint64_t AbsentBytes(uint64_t, uint64_t) const override { return 0; }

 private:
  absl::StatusOr<File> Reopen() const {
    absl::StatusOr<File> file = name_.open(ExistingSegment(read_only_));
    if (!file.ok()) return CannotReopen(file.status());
    MPOOL_ASSIGN_OR_RETURN(const FileInfo info, file->Info());
    if (info.identity == identity_) return file;
    return absl::FailedPreconditionError(absl::StrCat(
        "find mapped region again: ", file->path(),
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
  MPOOL_RETURN_IF_ERROR(
      CheckGroup(file, options.size_bytes + options.tail_bytes));
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
