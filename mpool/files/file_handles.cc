// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "mpool/files/file_handles.h"

#include <algorithm>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "mpool/files/file_table.h"
#include "mpool/files/file_watch.h"
#include "os/assert.h"
#include "os/lost_fd.h"
#include "os/status.h"
#include "region/descriptor.h"

namespace mpool::internal {
namespace {

bool HasSameInode(const os::FileIdentity& a, const os::FileIdentity& b) {
  return a.device == b.device && a.inode == b.inode;
}

absl::Status AnotherFile(std::string_view what, const std::string& path) {
  return absl::FailedPreconditionError(absl::StrCat(
      os::Abs(what), " ", path, ": another file has that name now; put the old "
      "one back, open it under its new name, or give its pages up with "
      "DbEnv::Forget or 'mpool forget'"));
}

}  // namespace

FileHandles::~FileHandles() { CloseAll(); }

FileHandles::Local& FileHandles::LocalOf(const Lock& lock, uint32_t index,
                                         uint32_t generation) {
  AssertLocked(lock);
  MPOOL_ASSERT(index < kMaxFiles);
  Local& local = local_[index];
  if (local.generation != generation) {
    Retire(lock, local);
    local = Local();
    local.generation = generation;
    local.identity = IdentityOf(*table_.At(index));
  }
  return local;
}

// Moves the descriptor to retired_ if this process has not synced its writes.
// The entry belongs to another file now, after an fsync by another process.
void FileHandles::Retire(const Lock& lock, Local& local) {
  AssertLocked(lock);
  if (local.IsUnsynced()) retired_.push_back(std::move(local.writable));
}

absl::Status FileHandles::Claim(const Lock& lock, FileClaim& claim,
                                const os::FileIdentity& identity,
                                const std::string& path, FileAccess access) {
  AssertLocked(lock);
  return claim.Take(claims_, path, identity,
                    region::RegionIdOf(memory_.fixed(), home_files_.identity()),
                    access);
}

// Searches by identity because names may change. The identity of an open file
// cannot become another file's.
std::shared_ptr<os::File> FileHandles::FindOpen(
    const os::FileIdentity& identity, FileAccess access) {
  const Lock lock(mutex_);
  if (generation_.value() == 0) return nullptr;
  for (auto& [index, local] : local_) {
    if (!HasSameInode(local.identity, identity)) continue;
    if (local.writable != nullptr && !local.is_taken) return local.writable;
    if (access == FileAccess::kReading && !local.files.empty()) {
      return local.files.front();
    }
  }
  return nullptr;
}

void FileHandles::Add(const Lock& lock, const OpenRequest& request,
                      uint32_t index, FileClaim claimed) {
  AssertLocked(lock);
  MPOOL_ASSERT(request.file != nullptr);
  const FileEntry& entry = *table_.At(index);
  const os::FileIdentity identity = IdentityOf(entry);
  Local& local = LocalOf(lock, index, GenerationOf(entry));
  local.identity = identity;
  ++local.handles;
  if (!local.open.IsOf(identity)) local.open = OpenInodes::Handle(identity);
  local.is_new = false;  // the open of a file repairs
  // The file's entry was renewed, and this process wrote through the descriptor
  // before. Its outcome belongs to the entry again.
  if (std::erase(retired_, request.file) != 0) ++local.written;
  if (local.writable == nullptr && !request.read_only) {
    local.writable = request.file;
  }
  for (const std::shared_ptr<os::File>& file : {request.file, local.writable}) {
    if (file != nullptr && std::find(local.files.begin(), local.files.end(),
                                     file) == local.files.end()) {
      local.files.push_back(file);
    }
  }
  local.claim.RaiseTo(std::move(claimed));
  MPOOL_ASSERT(local.handles != 0 && !local.files.empty());
}

bool FileHandles::RemoveExtra(const Lock& lock, uint32_t index) {
  AssertLocked(lock);
  MPOOL_ASSERT(index < kMaxFiles);
  Local& local = local_[index];
  if (local.handles <= 1) return false;
  --local.handles;
  return true;
}

void FileHandles::RemoveLast(const Lock& lock, uint32_t index) {
  AssertLocked(lock);
  Local& local = local_[index];
  MPOOL_ASSERT(local.handles <= 1);
  local.handles = 0;
  local.open = {};
  local.files.clear();
  local.last_use = ++uses_;
  if (local.writing == 0) local.claim.Drop();
  if (local.IsUnsynced()) {
    has_new_kept_ = true;
  } else if (local.writing == 0 && !local.is_taken) {
    local_.erase(index);
  }
}

bool FileHandles::Forget(const OpenedFile& file) {
  const Lock lock(mutex_);
  // An attaching thread announces its attach before it marks the files under
  // mutex_.
  if (!generation_.IsOutside()) return false;
  ForgetLostLocked(lock).IgnoreError();
  const auto local = local_.find(file.index);
  if (local != local_.end() && --local->second.handles == 0) {
    local_.erase(local);
  }
  return true;
}

absl::Status FileHandles::ForgetLost() {
  return ForgetLostLocked(Lock(mutex_));
}

// Forgets all lost descriptors, also after an error.
absl::Status FileHandles::ForgetLostLocked(const Lock& lock) {
  AssertLocked(lock);
  absl::Status complete;
  // A fork without fork handlers has left the descriptors of the claims here.
  claims_.ForgetLost();
  claims_.LeaveToParent();
  OpenInodes::ForgetLost();
  DropClaims(lock);
  for (auto& [index, local] : local_) {
    for (const std::shared_ptr<os::File>& file : local.files) {
      if (!os::ForgetIfLost(*file, local.identity)) continue;
      complete.Update(absl::FailedPreconditionError(
          absl::StrCat("use ", home_files_.home().path(),
                       " in a forked child: the program "
                       "closed the fd of ",
                       file->path(),
                       ", which is open; close only fds "
                       "that are the program's own, or the file first")));
    }
    if (local.writable != nullptr &&
        os::ForgetIfLost(*local.writable, local.identity)) {
      local.writable = nullptr;
    }
    // BeginWriting opens the file again when there are pages to write.
    if (local.writable != nullptr && !local.writable->is_open()) {
      local.writable = nullptr;
    }
  }
  return complete;
}

void FileHandles::DropClaims(const Lock& lock) {
  AssertLocked(lock);
  for (auto& [index, local] : local_) {
    local.claim.Drop();
  }
}

// The parent opened the other files to write pages back, and syncs its own
// writes.
absl::Status FileHandles::KeepHandles(const Lock& lock) {
  AssertLocked(lock);
  std::erase_if(local_, [](const auto& entry) {
    return entry.second.handles == 0 || entry.second.files.empty();
  });
  retired_.clear();
  for (auto& [index, local] : local_) {
    local.writing = 0;
    local.is_taken = false;
    local.synced = local.written;
    if (GenerationOf(*table_.At(index)) != local.generation) {
      return absl::FailedPreconditionError(absl::StrCat(
          "use ", home_files_.home().path(),
          " in a forked child: before the "
          "child's first call its parent closed a file that both had open; "
          "open the environment again in the child"));
    }
  }
  return absl::OkStatus();
}

std::vector<uint32_t> FileHandles::Indexes(const Lock& lock) const {
  AssertLocked(lock);
  std::vector<uint32_t> indexes;
  for (const auto& [index, local] : local_) {
    if (local.handles != 0) indexes.push_back(index);
  }
  return indexes;
}

std::shared_ptr<os::File> FileHandles::FirstFile(const Lock& lock,
                                                 uint32_t index) const {
  AssertLocked(lock);
  const auto found = local_.find(index);
  MPOOL_ASSERT(found != local_.end() && !found->second.files.empty());
  return found->second.files.front();
}

absl::Status FileHandles::ClaimInChild(const Lock& lock, uint32_t index,
                                       const std::string& path) {
  AssertLocked(lock);
  const auto found = local_.find(index);
  MPOOL_ASSERT(found != local_.end());
  Local& local = found->second;
  return Claim(lock, local.claim, local.identity, path,
               local.writable != nullptr ? FileAccess::kWriting
                                         : FileAccess::kReading);
}

bool FileHandles::HasUnsynced() const {
  const Lock lock(mutex_);
  for (const auto& [index, local] : local_) {
    if (local.IsUnsynced()) return true;
  }
  return !retired_.empty();
}

void FileHandles::CloseAll() {
  const Lock lock(mutex_);
  if (generation_.value() == 0) ForgetLostLocked(lock).IgnoreError();
  for (auto& [index, local] : local_) {
    local.open = {};
    local.files.clear();
    local.writable = nullptr;
    local.claim.Drop();
  }
  retired_.clear();
}

uint32_t FileHandles::open_handles() const {
  const Lock lock(mutex_);
  uint32_t count = 0;
  for (const auto& [index, local] : local_) count += local.handles;
  return count;
}

uint32_t FileHandles::LocalHandles(uint32_t index) const {
  const Lock lock(mutex_);
  const auto local = local_.find(index);
  return local == local_.end() ? 0 : local->second.handles;
}

// Returns the file at the entry's path if it is the entry's file. Returns
// NotFound if the path does not exist, FailedPrecondition if it is another
// file.
absl::StatusOr<os::Node> FileHandles::FindNode(const FileEntry& entry,
                                               std::string_view what) const {
  std::string path = table_.PathOf(entry);
  absl::StatusOr<os::Node> node = os::Node::Find(path);
  // Another process may have stored a new path since the path was read.
  for (std::string now = table_.PathOf(entry); !node.ok() && now != path;
       now = table_.PathOf(entry)) {
    path = now;
    node = os::Node::Find(path);
  }
  if (absl::IsNotFound(node.status())) {
    return absl::NotFoundError(absl::StrCat(
        os::Abs(what), " ", path, ": the file is not there any more; put it "
        "back, open it under its new name, or give its pages up with "
        "DbEnv::Forget or 'mpool forget'"));
  }
  MPOOL_RETURN_IF_ERROR(node.status());
  MPOOL_ASSIGN_OR_RETURN(const os::FileInfo info, node->Info());
  if (!table_.IsFile(entry, info.identity)) return AnotherFile(what, path);
  return node;
}

absl::StatusOr<std::shared_ptr<os::File>> FileHandles::OpenAgain(
    const Lock& lock, const FileEntry& entry) {
  AssertLocked(lock);
  constexpr char kWhat[] = "write back pages of";
  MPOOL_ASSIGN_OR_RETURN(const os::Node node, FindNode(entry, kWhat));
  MPOOL_ASSIGN_OR_RETURN(const os::FileInfo found, node.Info());
  // If a file that is open here has this inode number, the file is not this
  // entry's any more. An open of it would end in a close, which H2 forbids.
  for (const auto& [index, local] : local_) {
    if (local.handles != 0 && table_.At(index) != &entry &&
        HasSameInode(local.identity, found.identity)) {
      return AnotherFile(kWhat, node.path());
    }
  }
  MPOOL_ASSIGN_OR_RETURN(const std::shared_ptr<os::File> file,
                         OpenPageFile(node, FileAccess::kWriting));
  MPOOL_ASSIGN_OR_RETURN(const FileLook look, FileWatch::Look(entry, *file));
  os::FileIdentity identity = look.info.identity;
  identity.generation = file->Generation();
  if (!table_.IsFile(entry, identity)) return AnotherFile(kWhat, node.path());
  if (!IsOpenAnywhere(entry) && look.IsChangedByOthers()) {
    return FileWatch::ChangedWhileClosed(node.path());
  }
  return file;
}

// Opens the file of the entry into local.writable. `word` is the entry's word
// that `local` was found with.
absl::Status FileHandles::OpenForWriting(const Lock& lock, FileEntry& entry,
                                         FileWord word, Local& local) {
  AssertLocked(lock);
  MPOOL_ASSERT(local.writable == nullptr);
  absl::StatusOr<std::shared_ptr<os::File>> file = OpenAgain(lock, entry);
  MPOOL_RETURN_IF_ERROR(file.status());
  if (word.state == FileState::kClaimed ||
      GenerationOf(entry) != local.generation) {
    return absl::UnavailableError(absl::StrCat(
        "write back pages of ", table_.PathOf(entry), ": its place in the "
        "environment was given to another file just now; try again"));
  }
  local.writable = *std::move(file);
  local.is_new = true;
  // The entry may have the device number that the file had once, and another
  // file has now.
  MPOOL_ASSIGN_OR_RETURN(const os::FileInfo info, local.writable->Info());
  const uint64_t inode_generation = local.identity.generation;
  local.identity = info.identity;
  local.identity.generation = inode_generation;
  if (local.handles == 0) has_new_kept_ = true;
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<os::File>> FileHandles::BeginWriting(
    uint32_t index) {
  MPOOL_ASSERT(index < kMaxFiles);
  FileEntry& entry = *table_.At(index);
  const Lock lock(mutex_);
  // The word is read under mutex_, because an older generation would undo an
  // open by another thread.
  const FileWord word = FileWord::Unpack(entry.word.load());
  Local& local = LocalOf(lock, index, word.generation);
  if (local.writable == nullptr) {
    MPOOL_RETURN_IF_ERROR(OpenForWriting(lock, entry, word, local));
  } else if (!IsOpenAnywhere(entry)) {
    MPOOL_ASSIGN_OR_RETURN(const FileLook look,
                           FileWatch::Look(entry, *local.writable));
    if (look.IsChangedByOthers()) {
      return FileWatch::ChangedWhileClosed(table_.PathOf(entry));
    }
  }
  MPOOL_RETURN_IF_ERROR(Claim(lock, local.claim, local.identity,
                              table_.PathOf(entry), FileAccess::kWriting));
  ++local.writing;
  ++local.written;
  local.last_use = ++uses_;
  return local.writable;
}

void FileHandles::EndWriting(uint32_t index) {
  const Lock lock(mutex_);
  const auto found = local_.find(index);
  if (found == local_.end()) return;
  Local& local = found->second;
  MPOOL_ASSERT(local.writing != 0);
  ++local.written;
  if (--local.writing != 0 || local.handles != 0) return;
  // A file that this process does not have open may be opened in another
  // environment.
  local.claim.Drop();
}

absl::StatusOr<SyncHandle> FileHandles::ForSync(uint32_t index) {
  MPOOL_ASSERT(index < kMaxFiles);
  const FileEntry& entry = *table_.At(index);
  const Lock lock(mutex_);
  const auto found = local_.find(index);
  if (found != local_.end() &&
      found->second.generation == GenerationOf(entry)) {
    const Local& local = found->second;
    if (local.writable != nullptr) {
      return SyncHandle{.file = local.writable,
                        .written = local.written,
                        .is_new = local.is_new};
    }
    if (!local.files.empty()) return SyncHandle{.file = local.files.front()};
  }
  MPOOL_ASSIGN_OR_RETURN(const os::Node node, FindNode(entry, "sync file"));
  MPOOL_ASSIGN_OR_RETURN(const std::shared_ptr<os::File> file,
                         OpenPageFile(node, FileAccess::kReading));
  MPOOL_ASSIGN_OR_RETURN(const os::FileInfo info, file->Info());
  os::FileIdentity identity = info.identity;
  identity.generation = file->Generation();
  if (!table_.IsFile(entry, identity)) {
    return AnotherFile("sync file", node.path());
  }
  return SyncHandle{.file = file, .is_new = true};
}

void FileHandles::NoteRepaired(uint32_t index, const SyncHandle& handle) {
  const Lock lock(mutex_);
  const auto found = local_.find(index);
  if (found != local_.end() && found->second.writable == handle.file) {
    found->second.is_new = false;
  }
}

void FileHandles::NoteSynced(uint32_t index, const SyncHandle& handle) {
  MPOOL_ASSERT(handle.file != nullptr);
  const Lock lock(mutex_);
  const auto found = local_.find(index);
  if (found != local_.end() && found->second.writable == handle.file) {
    Local& local = found->second;
    local.synced = std::max(local.synced, handle.written);
  }
}

std::vector<uint32_t> FileHandles::KeptByAge(const Lock& lock) const {
  AssertLocked(lock);
  std::multimap<uint64_t, uint32_t> by_use;
  for (const auto& [index, local] : local_) {
    if (local.handles == 0 && local.writing == 0 && !local.is_taken &&
        local.writable != nullptr) {
      by_use.emplace(local.last_use, index);
    }
  }
  std::vector<uint32_t> kept;
  for (const auto& [use, index] : by_use) kept.push_back(index);
  return kept;
}

std::optional<FileHandles::Kept> FileHandles::TakeKept(size_t most) {
  const Lock lock(mutex_);
  if (!retired_.empty()) {
    Kept kept{.index = kMaxFiles,
              .generation = 0,
              .handle = {.file = std::move(retired_.back())},
              .needs_sync = true};
    retired_.pop_back();
    return kept;
  }
  const std::vector<uint32_t> kept = KeptByAge(lock);
  std::optional<uint32_t> chosen;
  if (kept.size() > most) chosen = kept.front();
  // The disk space of a removed file is free once no process has it open.
  for (size_t i = 0; i < kept.size() && !chosen.has_value(); ++i) {
    const absl::StatusOr<os::FileInfo> info =
        local_.at(kept[i]).writable->Info();
    if (!info.ok() || info->links == 0) chosen = kept[i];
  }
  if (!chosen.has_value()) return std::nullopt;
  Local& local = local_.at(*chosen);
  MPOOL_ASSERT(!local.is_taken && local.handles == 0 && local.writing == 0);
  local.is_taken = true;
  return Kept{.index = *chosen,
              .generation = local.generation,
              .handle = {.file = local.writable,
                         .written = local.written,
                         .is_new = local.is_new},
              .needs_sync = local.written != local.synced};
}

void FileHandles::Return(const Kept& kept, Fate fate) {
  const Lock lock(mutex_);
  const auto found = local_.find(kept.index);
  if (found == local_.end() ||
      found->second.writable != kept.handle.file) {
    return;
  }
  Local& local = found->second;
  local.is_taken = false;
  local.last_use = ++uses_;
  if (fate == Fate::kClose && local.handles == 0 && local.writing == 0 &&
      local.written == kept.handle.written) {
    local_.erase(found);
  }
}

size_t FileHandles::kept_count() const {
  const Lock lock(mutex_);
  return KeptByAge(lock).size() + retired_.size();
}

}  // namespace mpool::internal
