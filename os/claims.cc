// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "os/claims.h"

#include <fcntl.h>

#include <cerrno>

#include "os/lost_fd.h"
#include "os/node.h"
#include "os/retry.h"
#include "os/status.h"
#include "os/syscalls.h"

namespace mpool::os {
namespace {

// In a place bit 62 is set, and bit 61 is set for a writer. Bits 32 to 60 hold
// the low bits of the inode number, bits 0 to 31 the owner. Byte 0 of a home is
// not a place: ClaimDirectory of lock_file.h locks it.
constexpr uint64_t kPlaces = uint64_t{1} << 62;
constexpr uint64_t kWriter = uint64_t{1} << 61;
constexpr uint64_t kOwners = uint64_t{1} << 32;
constexpr uint64_t kInodes = uint64_t{1} << 29;

uint64_t FirstPlace(const FileIdentity& file, bool for_writing) {
  return kPlaces | (for_writing ? kWriter : 0) |
         file.inode % kInodes * kOwners;
}

struct flock LockOf(uint64_t first, uint64_t count, short type) {
  struct flock lock = {};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  lock.l_start = static_cast<off_t>(first);
  lock.l_len = static_cast<off_t>(count);
  return lock;
}

// True if another description holds a lock in [first, first + count).
absl::StatusOr<bool> IsLocked(const File& dir, uint64_t first,
                              uint64_t count) {
  if (count == 0) return false;
  struct flock lock = LockOf(first, count, F_WRLCK);
  if (RetryEintr([&] {
        return Sys().fcntl_lock(dir.fd(), F_OFD_GETLK, &lock);
      }) != 0) {
    return ErrnoToStatus(errno, "look for claims in", dir.path());
  }
  return lock.l_type != F_UNLCK;
}

// True if another owner has a claim in the kOwners places from `first` on.
absl::StatusOr<bool> HasOthers(const File& dir, uint64_t first,
                               uint64_t owner) {
  MPOOL_ASSIGN_OR_RETURN(const bool below, IsLocked(dir, first, owner));
  if (below) return true;
  return IsLocked(dir, first + owner + 1, kOwners - owner - 1);
}

}  // namespace

FileClaims::Claim::Claim(Claim&& other) noexcept
    : directory_(std::move(other.directory_)), place_(other.place_) {}

FileClaims::Claim& FileClaims::Claim::operator=(Claim&& other) noexcept {
  if (this != &other) {
    Drop();
    directory_ = std::move(other.directory_);
    place_ = other.place_;
  }
  return *this;
}

void FileClaims::Claim::Drop() {
  if (directory_ == nullptr) return;
  const std::shared_ptr<Directory> directory = std::move(directory_);
  directory_ = nullptr;
  const auto count = directory->counts.find(place_);
  if (count == directory->counts.end() || --count->second != 0) return;
  directory->counts.erase(count);
  if (!directory->file.is_open()) return;
  struct flock lock = LockOf(place_, 1, F_UNLCK);
  Sys().fcntl_lock(directory->file.fd(), F_OFD_SETLK, &lock);
}

std::shared_ptr<FileClaims::Directory> FileClaims::FindKept(
    const std::string& name) const {
  const absl::StatusOr<Node> node = Node::Find(name);
  if (!node.ok()) return nullptr;
  const absl::StatusOr<FileInfo> info = node->Info();
  if (!info.ok()) return nullptr;
  const auto known =
      open_.find({info->identity.device, info->identity.inode});
  return known == open_.end() ? nullptr : known->second.lock();
}

absl::StatusOr<std::shared_ptr<FileClaims::Directory>> FileClaims::Open(
    const std::string& path) {
  const size_t slash = path.rfind('/');
  const std::string name = slash == 0 ? "/" : path.substr(0, slash);
  absl::StatusOr<File> file = File::OpenDirectory(name);
  if (absl::IsPermissionDenied(file.status())) {
    // The process may have lost the right since an earlier claim.
    if (auto kept = FindKept(name); kept != nullptr) return kept;
  }
  MPOOL_RETURN_IF_ERROR(file.status());
  MPOOL_ASSIGN_OR_RETURN(const FileInfo info, file->Info());
  std::weak_ptr<Directory>& known =
      open_[{info.identity.device, info.identity.inode}];
  std::shared_ptr<Directory> directory = known.lock();
  // The program may have closed the kept descriptor.
  if (directory != nullptr && !ForgetIfLost(directory->file,
                                            directory->identity) &&
      directory->file.is_open()) {
    return directory;
  }
  directory = std::make_shared<Directory>();
  directory->file = *std::move(file);
  directory->identity = info.identity;
  std::erase_if(open_, [](const auto& entry) {
    return entry.second.expired();
  });
  open_[{info.identity.device, info.identity.inode}] = directory;
  return directory;
}

absl::StatusOr<FileClaims::Claim> FileClaims::Take(const std::string& path,
                                                   const FileIdentity& file,
                                                   uint64_t owner,
                                                   bool for_writing) {
  owner %= kOwners;
  Claim claim;
  absl::StatusOr<std::shared_ptr<Directory>> directory = Open(path);
  if (absl::IsPermissionDenied(directory.status())) {
    // No lock represents this claim.
    claim.directory_ = std::make_shared<Directory>();
    return claim;
  }
  MPOOL_RETURN_IF_ERROR(directory.status());
  claim.directory_ = *std::move(directory);
  claim.place_ = FirstPlace(file, for_writing) + owner;
  const File& dir = claim.directory_->file;
  struct flock own = LockOf(claim.place_, 1, F_RDLCK);
  ++claim.directory_->counts[claim.place_];
  // No lock conflicts, because all locks of a directory are read locks.
  if (RetryEintr([&] {
        return Sys().fcntl_lock(dir.fd(), F_OFD_SETLK, &own);
      }) != 0) {
    if (errno == ENOLCK || errno == ENOMEM || errno == EAGAIN) {
      return ErrnoToStatus(errno, "claim a file in", dir.path());
    }
    return claim;
  }
  // Both sides lock before they probe, so that at least one sees the other's
  // lock.
  absl::StatusOr<bool> used =
      HasOthers(dir, FirstPlace(file, /*for_writing=*/true), owner);
  if (used.ok() && !*used && for_writing) {
    used = HasOthers(dir, FirstPlace(file, /*for_writing=*/false), owner);
  }
  MPOOL_RETURN_IF_ERROR(used.status());
  if (*used) claim.Drop();
  return claim;
}

void FileClaims::LeaveToParent() {
  for (auto& [identity, known] : open_) {
    const std::shared_ptr<Directory> directory = known.lock();
    if (directory != nullptr) directory->file.Close();
  }
  open_.clear();
}

void FileClaims::ForgetLost() {
  for (auto& [identity, known] : open_) {
    const std::shared_ptr<Directory> directory = known.lock();
    if (directory != nullptr) {
      ForgetIfLost(directory->file, directory->identity);
    }
  }
}

}  // namespace mpool::os
