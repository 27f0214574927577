// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// map_file.cc - Backing::kFile, a regular file in the environment directory.

#include <utility>

#include "absl/strings/str_cat.h"
#include "os/map_backings.h"
#include "os/status.h"
#include "os/trust.h"

namespace mpool::os {
namespace {

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

}  // namespace

MappingOr CreateFileMapping(const File& dir, std::string_view name,
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

MappingOr JoinFileMapping(const File& dir, std::string_view name,
                          const MappingOptions& options) {
  MPOOL_ASSIGN_OR_RETURN(
      const File file,
      File::OpenAt(dir, name, ExistingSegment(options.read_only)));
  MPOOL_RETURN_IF_ERROR(CheckSegment(dir, file, options.read_only));
  return MapSegment(file, NameOf(dir, name), options);
}

absl::StatusOr<uint64_t> FileMappingSize(const File& dir,
                                         std::string_view name) {
  return OwnSize(dir, name);
}

}  // namespace mpool::os
