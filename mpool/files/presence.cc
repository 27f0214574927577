// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "mpool/files/presence.h"

#include <algorithm>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "os/assert.h"
#include "os/node.h"

namespace mpool::internal {
namespace {

// Opens the nearest directory on the way to `path` that still exists.
absl::StatusOr<os::File> NearestDirectory(std::string_view path) {
  MPOOL_ASSERT(path.starts_with('/'));
  absl::StatusOr<os::File> dir = absl::NotFoundError("no directory");
  while (absl::IsNotFound(dir.status()) && path.size() > 1) {
    path = path.substr(0, std::max<size_t>(path.rfind('/'), 1));
    dir = os::File::OpenDirectory(path);
  }
  return dir;
}

}  // namespace

os::Presence PresenceOf(const FileEntries& files, const FileEntry& entry) {
  const std::string path = files.PathOf(entry);
  const os::FileIdentity identity = IdentityOf(entry);
  if (path.empty() || path.front() != '/') return os::Presence::kUnknown;
  const absl::StatusOr<os::Node> node = os::Node::Find(path);
  if (node.ok()) {
    const absl::StatusOr<os::FileInfo> info = node->Info();
    if (!info.ok()) return os::Presence::kUnknown;
    if (info->identity.IsSameInode(identity)) return os::Presence::kPresent;
  }
  os::PackedHandle handle;
  for (size_t i = 0; i < handle.words.size(); ++i) {
    handle.words[i] = entry.handle[i].load(std::memory_order_relaxed);
  }
  const absl::StatusOr<os::File> dir = NearestDirectory(path);
  if (!dir.ok()) return os::Presence::kUnknown;
  const absl::StatusOr<os::FileInfo> info = dir->Info();
  // A handle means nothing in another file system.
  if (!info.ok() || info->identity.device != identity.device) {
    return os::Presence::kUnknown;
  }
  return os::PresenceOf(*dir, os::Unpack(handle));
}

}  // namespace mpool::internal
