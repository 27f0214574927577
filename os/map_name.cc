// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include <cstdlib>
#include <optional>
#include <string>

#include "absl/strings/str_format.h"
#include "os/map_backings.h"
#include "os/mapping.h"
#include "os/status.h"
#include "os/trust.h"

namespace mpool::os {
namespace {

constexpr char kFileName[] = "__db.002";

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

// Keeps the key of a System V segment, which the name begins with.
std::string NameUnder(Backing backing, const FileIdentity& home,
                      uint64_t creation, std::string_view name) {
  std::optional<int> key;
  if (backing == Backing::kSysV) {
    key = static_cast<int>(
        std::strtoul(std::string(name).c_str(), nullptr, 16));
  }
  return MappingName(backing, home, creation, key);
}

// Accepts any key, because a segment that carries another name behind its
// memory is not used.
bool IsMappingName(Backing backing, const FileIdentity& home,
                   uint64_t creation, std::string_view name) {
  return name == NameUnder(backing, home, creation, name);
}

bool HasStrayMappings(const File& dir) {
  const absl::StatusOr<FileInfo> info = dir.Info();
  if (!info.ok()) return false;
  const std::string prefix = NamePrefix(info->identity);
  return InfoAt(dir, kFileName).ok() ||
         !PosixShmOf(dir, prefix, false).empty() ||
         !SysVSegmentsOf(dir, prefix, false).empty();
}

absl::StatusOr<uint32_t> RemoveStrayMappings(const File& dir) {
  MPOOL_ASSIGN_OR_RETURN(const FileInfo info, dir.Info());
  const std::string prefix = NamePrefix(info.identity);
  const size_t files = InfoAt(dir, kFileName).ok() ? 1 : 0;
  MPOOL_RETURN_IF_ERROR(RemoveOwn(dir, kFileName));
  return static_cast<uint32_t>(files + PosixShmOf(dir, prefix, true).size() +
                               SysVSegmentsOf(dir, prefix, true).size());
}

}  // namespace mpool::os
