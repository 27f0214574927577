// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "mpool/files/open_inodes.h"

#include <map>
#include <vector>

#include "os/assert.h"
#include "os/lost_fd.h"
#include "os/status.h"

namespace mpool::internal {
namespace {

using Inode = std::pair<uint64_t, uint64_t>;

Inode InodeOf(const os::FileIdentity& identity) {
  return {identity.device, identity.inode};
}

struct Parked {
  std::unique_ptr<os::File> file;
  os::FileIdentity identity;
};

struct OpenInode {
  uint32_t handles = 0;
  std::vector<Parked> parked;
};

struct OpenFiles {
  os::Mutex mutex;
  std::map<Inode, OpenInode> inodes MPOOL_GUARDED_BY(mutex);
};

// Never destroyed: descriptors go until the very end of the process.
OpenFiles& Files() {
  static OpenFiles* const files = new OpenFiles;
  return *files;
}

// A handle that is opened later finds the descriptor closed or parked, because
// both happen under the mutex.
void CloseOrPark(os::File* last) {
  MPOOL_ASSERT(last != nullptr);
  std::unique_ptr<os::File> file(last);
  if (!file->is_open()) return;
  os::MutexLock lock(Files().mutex);
  const absl::StatusOr<os::FileInfo> info = file->Info();
  if (info.ok()) {
    const auto found = Files().inodes.find(InodeOf(info->identity));
    if (found != Files().inodes.end()) {
      found->second.parked.push_back({std::move(file), info->identity});
      return;
    }
  }
  file.reset();
}

}  // namespace

std::shared_ptr<os::File> SharedPageFile(os::File file) {
  return std::shared_ptr<os::File>(new os::File(std::move(file)), CloseOrPark);
}

absl::StatusOr<std::shared_ptr<os::File>> OpenPageFile(const os::Node& node,
                                                       FileAccess access) {
  MPOOL_ASSIGN_OR_RETURN(const os::FileInfo info, node.Info());
  std::shared_ptr<os::File> parked =
      OpenInodes::TakeParked(info.identity, access);
  if (parked != nullptr) return parked;
  MPOOL_ASSIGN_OR_RETURN(
      os::File file, node.Open({.mode = access == FileAccess::kWriting
                                            ? os::File::Mode::kReadWrite
                                            : os::File::Mode::kReadOnly,
                                .regular = true}));
  return SharedPageFile(std::move(file));
}

OpenInodes::Handle::Handle(const os::FileIdentity& identity)
    : inode_(InodeOf(identity)) {
  os::MutexLock lock(Files().mutex);
  ++Files().inodes[*inode_].handles;
}

void OpenInodes::Handle::Drop() {
  if (!inode_.has_value()) return;
  os::MutexLock lock(Files().mutex);
  const auto found = Files().inodes.find(*inode_);
  MPOOL_ASSERT(found != Files().inodes.end() && found->second.handles != 0);
  inode_.reset();
  if (--found->second.handles == 0) Files().inodes.erase(found);
}

bool OpenInodes::Handle::IsOf(const os::FileIdentity& identity) const {
  return inode_ == InodeOf(identity);
}

std::shared_ptr<os::File> OpenInodes::TakeParked(
    const os::FileIdentity& identity, FileAccess access) {
  os::MutexLock lock(Files().mutex);
  const auto found = Files().inodes.find(InodeOf(identity));
  if (found == Files().inodes.end()) return nullptr;
  std::vector<Parked>& parked = found->second.parked;
  for (auto one = parked.begin(); one != parked.end(); ++one) {
    const bool is_allowed =
        access == FileAccess::kReading || one->file->IsWritable();
    if (!one->file->is_open() || !is_allowed) continue;
    std::unique_ptr<os::File> file = std::move(one->file);
    parked.erase(one);
    return std::shared_ptr<os::File>(file.release(), CloseOrPark);
  }
  return nullptr;
}

void OpenInodes::ForgetLost() {
  os::MutexLock lock(Files().mutex);
  for (auto& [inode, open] : Files().inodes) {
    for (Parked& parked : open.parked) {
      os::ForgetIfLost(*parked.file, parked.identity);
    }
  }
}

os::Mutex& OpenInodes::mutex() { return Files().mutex; }

}  // namespace mpool::internal
