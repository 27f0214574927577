// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// file.cc - Backing::kFile, a regular file in the environment directory.

#include <utility>

#include "absl/strings/str_cat.h"
#include "os/backing/shared_file.h"
#include "os/backing/table.h"
#include "os/directory.h"
#include "os/lock_file.h"
#include "os/status.h"
#include "os/trust.h"

namespace mpool::os {
namespace {

constexpr char kFileName[] = "__db.002";

// Opens by path, because the mapping may outlive `dir`, and the program may
// close the fd of `dir`.
SegmentName NameOf(const File& dir, std::string_view name) {
  return {
      .open =
          [path = absl::StrCat(dir.path(), "/", Abs(name))](
              const File::OpenOptions& options) {
            return File::Open(path, options);
          },
      .room = dir.path(),
      .advice = "free space on its file system, or ask for a smaller cache"};
}

MappingOr Create(const File& dir, std::string_view name,
                            const MappingOptions& options) {
  MPOOL_ASSIGN_OR_RETURN(const FileInfo home, dir.Info());
  MPOOL_ASSIGN_OR_RETURN(
      const File file,
      File::OpenAt(dir, name, NewOwn(home, options.permissions)));
  MappingOr mapping = MapNewSegment(file, NameOf(dir, name), options);
  // The removal's error is ignored, because the first error says more.
  if (!mapping.ok()) UnlinkAt(dir, name).IgnoreError();
  return mapping;
}

MappingOr Join(const File& dir, std::string_view name,
                          const MappingOptions& options) {
  const absl::StatusOr<File> file =
      File::OpenAt(dir, name, ExistingSegment(options.read_only));
  if (!file.ok()) return ExplainDenied(dir, name, file.status());
  MPOOL_RETURN_IF_ERROR(CheckSegment(dir, *file, options.read_only));
  return MapSegment(*file, NameOf(dir, name), options);
}

absl::StatusOr<bool> IsInUse(const File& dir, std::string_view name) {
  MPOOL_ASSIGN_OR_RETURN(const File file,
                         File::OpenAt(dir, name, ExistingSegment(true)));
  return IsMapped(file);
}

std::string Name(std::string_view, uint64_t, std::optional<int>) {
  return kFileName;
}

absl::StatusOr<uint32_t> CountStrays(const File& dir, std::string_view,
                                     Strays strays) {
  const uint32_t count = InfoAt(dir, kFileName).ok() ? 1 : 0;
  if (strays == Strays::kRemove) {
    MPOOL_RETURN_IF_ERROR(RemoveOwn(dir, kFileName));
  }
  return count;
}

}  // namespace

constinit const BackingOps kFileOps = {.create = Create,
                                       .join = Join,
                                       .remove = RemoveOwn,
                                       .size = OwnSize,
                                       .is_in_use = IsInUse,
                                       .name = Name,
                                       .strays = CountStrays};

}  // namespace mpool::os
