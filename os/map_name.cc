// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include <filesystem>

#include "absl/strings/str_format.h"
#include "os/mapping.h"
#include "os/status.h"

namespace mpool::os {
namespace {

constexpr char kFileName[] = "__db.002";
constexpr char kShmDirectory[] = "/dev/shm";

// Device and inode, so that no other home that exists has the same.
std::string ShmPrefix(const FileIdentity& home) {
  return absl::StrFormat("mpool-%x-%x-", home.device, home.inode);
}

}  // namespace

std::string MappingName(Backing backing, const FileIdentity& home,
                        uint64_t creation) {
  if (backing == Backing::kFile) return kFileName;
  return absl::StrFormat("/%s%016x", ShmPrefix(home), creation);
}

absl::Status RemoveStrayMappings(const File& dir) {
  MPOOL_ASSIGN_OR_RETURN(const FileInfo info, dir.Info());
  const std::string prefix = ShmPrefix(info.identity);
  absl::Status result = UnlinkAt(dir, kFileName);
  std::error_code error;
  for (std::filesystem::directory_iterator at(kShmDirectory, error), end;
       !error && at != end; at.increment(error)) {
    const std::string name = at->path().filename().string();
    if (name.starts_with(prefix)) result.Update(File::UnlinkShm("/" + name));
  }
  return result;
}

}  // namespace mpool::os
