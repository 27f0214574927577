// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include <filesystem>
#include <vector>

#include "absl/strings/str_format.h"
#include "os/map_backings.h"
#include "os/mapping.h"
#include "os/status.h"

namespace mpool::os {
namespace {

constexpr char kFileName[] = "__db.002";
constexpr char kShmDirectory[] = "/dev/shm";

std::vector<std::string> SegmentsOf(const FileIdentity& home) {
  const std::string prefix = NamePrefix(home);
  std::vector<std::string> names;
  std::error_code error;
  for (std::filesystem::directory_iterator at(kShmDirectory, error), end;
       !error && at != end; at.increment(error)) {
    std::string name = at->path().filename().string();
    if (name.starts_with(prefix)) names.push_back(std::move(name));
  }
  return names;
}

}  // namespace

std::string NamePrefix(const FileIdentity& home) {
  return absl::StrFormat("mpool-%x-%x-", home.device, home.inode);
}

std::string MappingName(Backing backing, const FileIdentity& home,
                        uint64_t creation, std::optional<int> sysv_key) {
  if (backing == Backing::kFile) return kFileName;
  if (backing == Backing::kSysV) {
    return SysVName(NamePrefix(home), creation, sysv_key);
  }
  return absl::StrFormat("/%s%016x", NamePrefix(home), creation);
}

bool HasStrayMappings(const File& dir) {
  const absl::StatusOr<FileInfo> info = dir.Info();
  return info.ok() && (InfoAt(dir, kFileName).ok() ||
                       !SegmentsOf(info->identity).empty() ||
                       !SysVSegmentsOf(NamePrefix(info->identity), false)
                            .empty());
}

absl::StatusOr<uint32_t> RemoveStrayMappings(const File& dir) {
  MPOOL_ASSIGN_OR_RETURN(const FileInfo info, dir.Info());
  uint32_t count = InfoAt(dir, kFileName).ok() ? 1 : 0;
  MPOOL_RETURN_IF_ERROR(UnlinkAt(dir, kFileName));
  for (const std::string& name : SegmentsOf(info.identity)) {
    MPOOL_RETURN_IF_ERROR(File::UnlinkShm("/" + name));
    ++count;
  }
  const auto removed = SysVSegmentsOf(NamePrefix(info.identity), true);
  return count + static_cast<uint32_t>(removed.size());
}

}  // namespace mpool::os
