// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "os/mapping.h"

#include <errno.h>
#include <sys/mman.h>

#include "absl/strings/str_cat.h"
#include "os/lock_file.h"
#include "os/map_backings.h"
#include "os/status.h"
#include "os/syscalls.h"
#include "os/trust.h"

namespace mpool::os {
namespace {

// The kernel rounds it up to a page.
constexpr size_t kMarkerBytes = 64;

std::string_view BackingName(Backing backing) {
  switch (backing) {
    case Backing::kPosixShm:
      return "Backing::kPosixShm";
    case Backing::kFile:
      return "Backing::kFile";
    case Backing::kSysV:
      return "Backing::kSysV";
    case Backing::kAnonymous:
      return "Backing::kAnonymous";
    case Backing::kDevZero:
      return "Backing::kDevZero";
    case Backing::kHeap:
      return "Backing::kHeap";
    case Backing::kSysVPrivate:
      return "Backing::kSysVPrivate";
  }
  return "this backing";
}

absl::Status NoName(std::string_view verb, Backing backing) {
  const bool shared = ReachOf(backing) == Reach::kForkedChildren;
  return absl::FailedPreconditionError(absl::StrCat(
      Abs(verb), " region: ", Abs(BackingName(backing)), " is memory of one ",
      shared ? "process and its forked children" : "process",
      "; use kPosixShm, kFile or kSysV to share it with others"));
}

absl::Status NoBacking(Backing backing) {
  return absl::InvalidArgumentError(absl::StrCat(
      "map region: there is no backing ", static_cast<int>(backing)));
}

absl::Status CheckOptions(std::string_view name, const MappingOptions& options,
                          bool create) {
  const bool size_fits =
      options.size_bytes > 0 && options.size_bytes <= options.reserved_bytes;
  if (options.reserved_bytes > 0 && (size_fits || !create)) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "map region: ", Abs(name), ": ", options.size_bytes, " bytes in ",
      options.reserved_bytes,
      " bytes of address space; neither may be 0 nor the first the larger"));
}

}  // namespace

Reach ReachOf(Backing backing) {
  switch (backing) {
    case Backing::kHeap:
      return Reach::kOneProcess;
    case Backing::kAnonymous:
    case Backing::kDevZero:
    case Backing::kSysVPrivate:
      return Reach::kForkedChildren;
    default:
      return Reach::kAnyProcess;
  }
}

void LeaveOutOfDumps(std::byte* base, uint64_t size_bytes) {
  Sys().madvise(base, size_bytes, MADV_DONTDUMP);
}

absl::StatusOr<std::byte*> MapBytes(uint64_t size_bytes, int protection,
                                    int flags, int fd, std::string_view what) {
  void* address = Sys().mmap(nullptr, size_bytes, protection, flags, fd, 0);
  if (address == MAP_FAILED) {
    const int error = errno;
    std::string advice;
    if (error == ENOMEM) {
      advice = absl::StrCat(size_bytes,
                            " bytes of address space are needed; raise the "
                            "limit (ulimit -v), or ask for a smaller largest "
                            "cache");
    }
    return ErrnoToStatus(error, "map region", what, advice);
  }
  std::byte* base = static_cast<std::byte*>(address);
  LeaveOutOfDumps(base, size_bytes);
  return base;
}

absl::StatusOr<std::unique_ptr<Mapping>> CreateMapping(
    Backing backing, const File& dir, std::string_view name,
    const MappingOptions& options) {
  MPOOL_RETURN_IF_ERROR(CheckOptions(name, options, true));
  MappingOptions writable = options;
  writable.read_only = false;
  switch (backing) {
    case Backing::kPosixShm:
      return CreatePosixShm(dir, name, writable);
    case Backing::kFile:
      return CreateFileMapping(dir, name, writable);
    case Backing::kSysV:
      return CreateSysV(name, writable);
    case Backing::kAnonymous:
      return CreateAnonymous(writable);
    case Backing::kDevZero:
      return CreateDevZero(writable);
    case Backing::kHeap:
      return CreateHeap(writable);
    case Backing::kSysVPrivate: {
      MPOOL_ASSIGN_OR_RETURN(const FileInfo info, dir.Info());
      return CreateSysVPrivate(NamePrefix(info.identity), writable);
    }
  }
  return NoBacking(backing);
}

absl::StatusOr<std::unique_ptr<Mapping>> JoinMapping(
    Backing backing, const File& dir, std::string_view name,
    const MappingOptions& options) {
  MPOOL_RETURN_IF_ERROR(CheckOptions(name, options, false));
  switch (backing) {
    case Backing::kPosixShm:
      return JoinPosixShm(dir, name, options);
    case Backing::kFile:
      return JoinFileMapping(dir, name, options);
    case Backing::kSysV:
      return JoinSysV(dir, name, options);
    case Backing::kAnonymous:
    case Backing::kDevZero:
    case Backing::kHeap:
    case Backing::kSysVPrivate:
      return NoName("join", backing);
  }
  return NoBacking(backing);
}

absl::Status RemoveMapping(Backing backing, const File& dir,
                           std::string_view name) {
  switch (backing) {
    case Backing::kPosixShm:
      return RemovePosixShm(dir, name);
    case Backing::kFile:
      return RemoveOwn(dir, name);
    case Backing::kSysV:
      return RemoveSysV(dir, name);
    case Backing::kAnonymous:
    case Backing::kDevZero:
    case Backing::kHeap:
    case Backing::kSysVPrivate:
      return absl::OkStatus();
  }
  return NoBacking(backing);
}

absl::Status RenameMapping(Backing backing, const File& dir,
                           std::string_view from, std::string_view to) {
  if (backing == Backing::kPosixShm) return RenamePosixShm(dir, from, to);
  if (backing == Backing::kSysV) return RenameSysV(dir, from, to);
  return absl::OkStatus();
}

absl::StatusOr<uint64_t> MappingSize(Backing backing, const File& dir,
                                     std::string_view name) {
  switch (backing) {
    case Backing::kPosixShm:
      return PosixShmSize(dir, name);
    case Backing::kFile:
      return FileMappingSize(dir, name);
    case Backing::kSysV:
      return SysVSize(dir, name);
    case Backing::kAnonymous:
    case Backing::kDevZero:
    case Backing::kHeap:
    case Backing::kSysVPrivate:
      return absl::NotFoundError(NoName("find", backing).message());
  }
  return NoBacking(backing);
}

absl::StatusOr<bool> IsMappingInUse(Backing backing, const File& dir,
                                    std::string_view name) {
  if (backing == Backing::kSysV) return IsSysVInUse(dir, name);
  if (ReachOf(backing) != Reach::kAnyProcess) return NoName("find", backing);
  const File::OpenOptions how = ExistingSegment(/*read_only=*/true);
  MPOOL_ASSIGN_OR_RETURN(const File file, backing == Backing::kFile
                                              ? File::OpenAt(dir, name, how)
                                              : File::OpenShm(name, how));
  return IsMapped(file);
}

constinit uint32_t ForkMarker::zero = 0;

absl::Status ForkMarker::Map() {
  void* page = Sys().mmap(nullptr, kMarkerBytes, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) {
    return ErrnoToStatus(errno, "map a page that a fork wipes", "",
                         kRaiseAddressSpace);
  }
  word_ = static_cast<uint32_t*>(page);
  if (Sys().madvise(page, kMarkerBytes, MADV_WIPEONFORK) != 0) {
    return ErrnoToStatus(errno, "have a page wiped by a fork", "",
                         errno == EINVAL ? "use Linux 4.14 or newer" : "");
  }
  return absl::OkStatus();
}

ForkMarker::~ForkMarker() {
  if (word_ != &zero) Sys().munmap(word_, kMarkerBytes);
}

}  // namespace mpool::os
