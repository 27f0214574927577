// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// map_posix_shm.cc - Backing::kPosixShm, memory that shm_open names.

#include <utility>

#include "os/map_backings.h"
#include "os/status.h"

namespace mpool::os {
namespace {

SegmentName NameOf(std::string_view name) {
  return {.open =
              [object = std::string(name)](const File::OpenOptions& options) {
                return File::OpenShm(object, options);
              },
          .room = "/dev/shm",
          .advice =
              "free space there, make it larger (mount -o remount,size=; in a "
              "container --shm-size), ask for a smaller cache, or use "
              "Backing::kFile"};
}

}  // namespace

MappingOr CreatePosixShm(std::string_view name, const MappingOptions& options) {
  MPOOL_ASSIGN_OR_RETURN(const File file,
                         File::OpenShm(name, NewSegment(options)));
  MappingOr mapping = MapNewSegment(file, NameOf(name), options);
  // The first error says more than one of the removal could.
  if (!mapping.ok()) File::UnlinkShm(name).IgnoreError();
  return mapping;
}

MappingOr JoinPosixShm(std::string_view name, const MappingOptions& options) {
  MPOOL_ASSIGN_OR_RETURN(
      const File file, File::OpenShm(name, ExistingSegment(options.read_only)));
  return MapSegment(file, NameOf(name), options);
}

absl::StatusOr<uint64_t> PosixShmSize(std::string_view name) {
  MPOOL_ASSIGN_OR_RETURN(const File file,
                         File::OpenShm(name, ExistingSegment(true)));
  MPOOL_ASSIGN_OR_RETURN(const FileInfo info, file.Info());
  return info.size_bytes;
}

}  // namespace mpool::os
