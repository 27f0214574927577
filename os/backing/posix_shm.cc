// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// posix_shm.cc - Backing::kPosixShm, POSIX shared memory objects
// (shm_open).

#include <errno.h>

#include <filesystem>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "os/backing/shared_file.h"
#include "os/backing/table.h"
#include "os/directory.h"
#include "os/lock_file.h"
#include "os/status.h"
#include "os/syscalls.h"
#include "os/trust.h"

namespace mpool::os {
namespace {

// The directory in which glibc and musl keep POSIX shared memory.
constexpr char kShmDirectory[] = "/dev/shm";

std::string PathOf(std::string_view name) {
  return absl::StrCat(kShmDirectory, Abs(name));
}

// True if the object exists and satisfies T2 and T3 of trust.h.
absl::StatusOr<bool> IsOurs(const File& dir, std::string_view name) {
  MPOOL_ASSIGN_OR_RETURN(const FileInfo home, dir.Info());
  const absl::StatusOr<FileInfo> info = InfoAt(dir, PathOf(name));
  if (absl::IsNotFound(info.status())) return false;
  MPOOL_RETURN_IF_ERROR(info.status());
  return CheckOwn(home, *info, PathOf(name)).ok();
}

SegmentName NameOf(std::string_view name) {
  return {.open =
              [object = std::string(name)](const File::OpenOptions& options) {
                return File::OpenShm(object, options);
              },
          .room = kShmDirectory,
          .advice =
              "free space there, make it larger (mount -o remount,size=; in a "
              "container --shm-size), ask for a smaller cache, or use "
              "Backing::kFile"};
}

// Returns the error of a failed create. NotFound would mean to a program that
// there is no environment.
absl::Status CannotCreate(const absl::Status& error) {
  const int number = StatusErrno(error);
  constexpr std::string_view kOr =
      ", or use Backing::kFile, which needs no /dev/shm";
  if (number == ENOENT || number == ENOTDIR) {
    return absl::FailedPreconditionError(absl::StrCat(
        error.message(), "; there is no directory ", kShmDirectory,
        ": mount a tmpfs there (mount -t tmpfs -o mode=1777 tmpfs /dev/shm)",
        Abs(kOr)));
  }
  if (number == EACCES || number == EROFS) {
    return absl::FailedPreconditionError(absl::StrCat(
        error.message(), "; user ", Sys().geteuid(),
        " may not create files in ", kShmDirectory,
        ": give it the mode 1777 (mount -o remount,mode=1777)", Abs(kOr)));
  }
  return error;
}

MappingOr Create(const File& dir, std::string_view name,
                         const MappingOptions& options) {
  MPOOL_ASSIGN_OR_RETURN(const FileInfo home, dir.Info());
  const absl::StatusOr<File> file =
      File::OpenShm(name, NewOwn(home, options.permissions));
  if (!file.ok()) return CannotCreate(file.status());
  MappingOr mapping = MapNewSegment(*file, NameOf(name), options);
  // The removal's error is ignored, because the first error says more.
  if (!mapping.ok()) File::UnlinkShm(name).IgnoreError();
  return mapping;
}

MappingOr Join(const File& dir, std::string_view name,
                       const MappingOptions& options) {
  const absl::StatusOr<File> file =
      File::OpenShm(name, ExistingSegment(options.read_only));
  if (!file.ok()) return ExplainDenied(dir, PathOf(name), file.status());
  MPOOL_RETURN_IF_ERROR(CheckSegment(dir, *file, options.read_only));
  return MapSegment(*file, NameOf(name), options);
}

absl::StatusOr<uint64_t> Size(const File& dir, std::string_view name) {
  return OwnSize(dir, PathOf(name));
}

absl::Status Remove(const File& dir, std::string_view name) {
  MPOOL_ASSIGN_OR_RETURN(const bool ours, IsOurs(dir, name));
  return ours ? File::UnlinkShm(name) : absl::OkStatus();
}

absl::Status Rename(const File& dir, std::string_view from,
                            std::string_view to) {
  if (InfoAt(dir, PathOf(to)).ok()) return absl::OkStatus();
  MPOOL_ASSIGN_OR_RETURN(const bool ours, IsOurs(dir, from));
  if (!ours) {
    return absl::NotFoundError(
        absl::StrCat("rename ", PathOf(from), ": it is not there"));
  }
  MPOOL_ASSIGN_OR_RETURN(const File shm, File::OpenDirectory(kShmDirectory));
  return RenameAt(shm, from.substr(1), to.substr(1));
}

absl::StatusOr<bool> IsInUse(const File&, std::string_view name) {
  MPOOL_ASSIGN_OR_RETURN(const File file,
                         File::OpenShm(name, ExistingSegment(true)));
  return IsMapped(file);
}

// The home's objects are those of trusted users with names that begin with
// `prefix`.
absl::StatusOr<uint32_t> CountStrays(const File& dir, std::string_view prefix,
                                     Strays strays) {
  uint32_t count = 0;
  std::error_code error;
  for (std::filesystem::directory_iterator at(kShmDirectory, error), end;
       !error && at != end; at.increment(error)) {
    const std::string name = "/" + at->path().filename().string();
    if (!std::string_view(name).substr(1).starts_with(prefix)) continue;
    if (!IsOurs(dir, name).value_or(false)) continue;
    if (strays == Strays::kRemove && !File::UnlinkShm(name).ok()) continue;
    ++count;
  }
  return count;
}

void List(std::vector<FoundSegment>* found) {
  const absl::StatusOr<File> shm = File::OpenDirectory(kShmDirectory);
  if (!shm.ok()) return;
  std::error_code error;
  for (std::filesystem::directory_iterator at(kShmDirectory, error), end;
       !error && at != end; at.increment(error)) {
    const std::string name = "/" + at->path().filename().string();
    const std::optional<NameParts> parts = PartsOf(name);
    if (!parts.has_value()) continue;
    const absl::StatusOr<FileInfo> info = InfoAt(*shm, PathOf(name));
    if (!info.ok() || !info->is_regular) continue;
    FoundSegment entry;
    entry.backing = Backing::kPosixShm;
    entry.name = name;
    entry.parts = *parts;
    entry.file = info->identity;
    entry.size_bytes = info->size_bytes;
    entry.used_bytes = info->allocated_bytes;
    entry.user = info->user;
    found->push_back(std::move(entry));
  }
}

// Returns FailedPrecondition if another file has the name now.
absl::StatusOr<File> OpenFound(const FoundSegment& found) {
  MPOOL_ASSIGN_OR_RETURN(File file,
                         File::OpenShm(found.name, ExistingSegment(true)));
  MPOOL_ASSIGN_OR_RETURN(const FileInfo info, file.Info());
  if (info.identity == found.file) return file;
  return absl::FailedPreconditionError(absl::StrCat(
      "look at ", PathOf(found.name),
      ": another file has the name now; list the segments again"));
}

absl::StatusOr<size_t> Read(const FoundSegment& found, uint64_t offset,
                            std::span<std::byte> out) {
  MPOOL_ASSIGN_OR_RETURN(const File file, OpenFound(found));
  return file.ReadAt(offset, out);
}

absl::StatusOr<bool> IsHeld(const FoundSegment& found) {
  MPOOL_ASSIGN_OR_RETURN(const File file, OpenFound(found));
  return IsMapped(file);
}

absl::Status DiscardFound(const FoundSegment& found) {
  MPOOL_RETURN_IF_ERROR(OpenFound(found).status());
  return File::UnlinkShm(found.name);
}

}  // namespace

constinit const BackingOps kPosixShmOps = {.create = Create,
                                           .join = Join,
                                           .remove = Remove,
                                           .rename = Rename,
                                           .size = Size,
                                           .is_in_use = IsInUse,
                                           .strays = CountStrays,
                                           .list = List,
                                           .read = Read,
                                           .is_held = IsHeld,
                                           .discard = DiscardFound};

}  // namespace mpool::os
