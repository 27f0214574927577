// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// descriptors.cc - this process's descriptors of page files: the descriptors of
// its handles, and the descriptors that it keeps to write back and to sync.
//
// Concurrency: mutex_ guards all of them. An open and a close of a handle
//              acquire the files latch before it.
// Invariants:  E5 and E6 of files.h.


#include <algorithm>

#include "absl/strings/str_cat.h"
#include "mpool/files/files.h"
#include "os/lost_fd.h"
#include "os/status.h"
#include "os/step.h"

namespace mpool::internal {
namespace {

using region::LatchGuard;

bool HasSameInode(const os::FileIdentity& a, const os::FileIdentity& b) {
  return a.device == b.device && a.inode == b.inode;
}

absl::Status ChangedByOthers(const std::string& path) {
  return absl::FailedPreconditionError(absl::StrCat(
      "write back pages of ", path, ": it was changed by others while "
      "nobody had it open; put the old file back, or discard the pages with "
      "'mpool remove --force' once nobody uses the environment"));
}

absl::Status AnotherFile(std::string_view what, const std::string& path) {
  return absl::FailedPreconditionError(absl::StrCat(
      os::Abs(what), " ", path, ": another file has that name now; put the old "
      "one back, open it under its new name, or discard its pages with 'mpool "
      "remove --force' once nobody uses the environment"));
}

}  // namespace

// REQUIRES: mutex_.
FileTable::Local& FileTable::LocalOf(uint32_t index, uint32_t generation) {
  Local& local = local_[index];
  if (local.generation != generation) {
    Retire(local);
    local = Local();
    local.generation = generation;
    local.identity = IdentityOf(*At(index));
  }
  return local;
}

// Moves the descriptor to retired_ if this process has not synced its writes.
// The entry belongs to another file now, after an fsync by another process.
// REQUIRES: mutex_.
void FileTable::Retire(Local& local) {
  if (local.writable != nullptr && local.written != local.synced) {
    retired_.push_back(std::move(local.writable));
  }
}

// Claims the file for this environment, because each of two pools over one file
// would miss the other's changes. Returns FailedPrecondition if another
// environment has the claim, and the errors of OS calls.
// REQUIRES: mutex_.
absl::Status FileTable::Claim(Local& local, const os::FileIdentity& identity,
                              const std::string& path, bool for_writing) {
  if (local.claim.held() && (local.claims_writing || !for_writing)) {
    return absl::OkStatus();
  }
  absl::StatusOr<os::FileClaims::Claim> claim =
      claims_.Take(path, identity, region_.creation(), for_writing);
  if (!claim.ok()) {
    absl::Status status(claim.status().code(),
                        absl::StrCat("open file ", path,
                                     ": it cannot be claimed: ",
                                     claim.status().message()));
    claim.status().ForEachPayload(
        [&](absl::string_view type, const absl::Cord& payload) {
          status.SetPayload(type, payload);
        });
    return status;
  }
  if (claim->held()) {
    local.claim = *std::move(claim);
    local.claims_writing = for_writing;
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(absl::StrCat(
      "open file ", path, ": a process has it open in another environment, "
      "whose pages would not be the same; open it through that one's home, or "
      "close it there"));
}

// Searches by identity because names may change. The identity of an open file
// cannot become another file's.
std::shared_ptr<os::File> FileTable::FindOpen(const os::FileIdentity& identity,
                                              bool for_writing) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (region_.generation().value() == 0) return nullptr;
  for (auto& [index, local] : local_) {
    if (!HasSameInode(local.identity, identity)) continue;
    if (local.writable != nullptr && !local.is_taken) return local.writable;
    if (!for_writing && !local.files.empty()) return local.files.front();
  }
  return nullptr;
}

// REQUIRES: mutex_.
void FileTable::AddHandle(const Request& request, uint32_t index,
                          uint32_t generation,
                          const os::FileIdentity& identity, Local claimed) {
  Local& local = LocalOf(index, generation);
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
  if (!local.claim.held() ||
      (claimed.claims_writing && !local.claims_writing)) {
    local.claim = std::move(claimed.claim);
    local.claims_writing = claimed.claims_writing;
  }
}

absl::StatusOr<OpenedFile> FileTable::Open(
    const region::Thread& self, const Request& request,
    const std::function<absl::Status()>& make_room, const Drop& drop) {
  LatchGuard guard(self, frames_.pool().files_latch);
  Local claimed;
  absl::StatusOr<OpenedFile> opened =
      OpenClaimed(self, request, make_room, drop, claimed);
  std::lock_guard<std::mutex> lock(mutex_);
  if (opened.ok()) {
    const auto generation =
        FileWord::Unpack(opened->entry->word.load()).generation;
    AddHandle(request, opened->index, generation, IdentityOf(*opened->entry),
              std::move(claimed));
  } else {
    claimed.claim.Drop();
  }
  return opened;
}

// REQUIRES: the files latch.
absl::StatusOr<OpenedFile> FileTable::OpenClaimed(
    const region::Thread& self, const Request& request,
    const std::function<absl::Status()>& make_room, const Drop& drop,
    Local& claimed) {
  MPOOL_RETURN_IF_ERROR(make_room());
  MPOOL_ASSIGN_OR_RETURN(os::FileInfo info, request.file->Info());
  info.identity.generation = request.file->Generation();
  {
    // The claim comes before any other use of the file, because another
    // environment may be changing the file.
    std::lock_guard<std::mutex> lock(mutex_);
    MPOOL_RETURN_IF_ERROR(
        Claim(claimed, info.identity, request.path, !request.read_only));
  }
  const os::FileIdentity identity = info.identity;
  MPOOL_ASSIGN_OR_RETURN(info, request.file->Info());
  info.identity = identity;
  MPOOL_ASSIGN_OR_RETURN(const uint32_t index,
                         FindOrClaim(self, request, info, drop));
  FileEntry& entry = *At(index);
  SetOpen(self, entry);
  OpenedFile opened;
  opened.index = index;
  opened.page_bytes = request.page_bytes;
  opened.page_class = ClassOf(request.page_bytes);
  opened.file_key = PageKey::FileKey(
      index, FileWord::Unpack(entry.word.load()).generation);
  opened.read_only = request.read_only;
  opened.atomic_update = request.atomic_update;
  opened.entry = &entry;
  opened.file = request.file;
  opened.path = request.path;
  opened.partial_bytes = info.size_bytes % request.page_bytes;
  return opened;
}

uint64_t FileTable::Close(const region::Thread& self, const OpenedFile& file,
                          uint64_t written) {
  LatchGuard guard(self, frames_.pool().files_latch);
  std::lock_guard<std::mutex> lock(mutex_);
  Local& local = local_[file.index];
  if (local.handles > 1) {
    --local.handles;
    return kClosed;
  }
  FileEntry& entry = *file.entry;
  const uint32_t bit = self.process - 1;
  const uint64_t mine = uint64_t{1} << (bit % 64);
  bool is_last = true;
  for (uint32_t i = 0; i < kMaxProcesses / 64; ++i) {
    const uint64_t bits = entry.open_bits[i].load(std::memory_order_acquire);
    is_last = is_last && (i == bit / 64 ? bits & ~mine : bits) == 0;
  }
  const uint64_t opens = entry.opens.load(std::memory_order_relaxed);
  if (is_last && written != opens && written != kAnyway) return opens;
  // A change by another program from here on must be detected.
  if (is_last) LookAgain(entry, *file.file);
  local.handles = 0;
  local.open = {};
  local.files.clear();
  local.last_use = ++uses_;
  if (local.writing == 0) local.claim.Drop();
  if (local.writable != nullptr && local.written != local.synced) {
    has_new_kept_ = true;
  } else if (local.writing == 0 && !local.is_taken) {
    local_.erase(file.index);
  }
  MPOOL_STEP("mpool.file.close");
  entry.open_bits[bit / 64].fetch_and(~mine);
  MPOOL_STEP("mpool.file.closed");
  if (is_last) SetState(entry, FileState::kClosed);
  return kClosed;
}

bool FileTable::Forget(const OpenedFile& file) {
  std::lock_guard<std::mutex> lock(mutex_);
  // An attaching thread announces its attach before it marks the files under
  // mutex_.
  if (!region_.generation().IsOutside()) return false;
  ForgetLostLocked().IgnoreError();
  const auto local = local_.find(file.index);
  if (local != local_.end() && --local->second.handles == 0) {
    local_.erase(local);
  }
  return true;
}

absl::Status FileTable::ForgetLost() {
  std::lock_guard<std::mutex> lock(mutex_);
  return ForgetLostLocked();
}

// Forgets all lost descriptors, also after an error.
// REQUIRES: mutex_.
absl::Status FileTable::ForgetLostLocked() {
  absl::Status complete;
  // A fork without fork handlers has left the descriptors of the claims here.
  claims_.ForgetLost();
  claims_.LeaveToParent();
  OpenInodes::ForgetLost();
  for (auto& [index, local] : local_) {
    local.claim.Drop();
    local.claims_writing = false;
    for (const std::shared_ptr<os::File>& file : local.files) {
      if (!os::ForgetIfLost(*file, local.identity)) continue;
      complete.Update(absl::FailedPreconditionError(
          absl::StrCat("use ", region_.home_files().home().path(),
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

bool FileTable::HasUnsynced() const {
  std::lock_guard<std::mutex> lock(mutex_);
  for (const auto& [index, local] : local_) {
    if (local.writable != nullptr && local.written != local.synced) return true;
  }
  return !retired_.empty();
}

void FileTable::CloseAll() {
  std::lock_guard<std::mutex> lock(mutex_);
  if (region_.generation().value() == 0) ForgetLostLocked().IgnoreError();
  for (auto& [index, local] : local_) {
    local.open = {};
    local.files.clear();
    local.writable = nullptr;
    local.claim.Drop();
  }
  retired_.clear();
}

FileTable::~FileTable() { CloseAll(); }

uint32_t FileTable::open_handles() const {
  std::lock_guard<std::mutex> lock(mutex_);
  uint32_t count = 0;
  for (const auto& [index, local] : local_) count += local.handles;
  return count;
}

uint32_t FileTable::LocalHandles(uint32_t index) const {
  std::lock_guard<std::mutex> lock(mutex_);
  const auto local = local_.find(index);
  return local == local_.end() ? 0 : local->second.handles;
}

// Returns the file at the entry's path if it is the entry's file. Returns
// NotFound if the path does not exist, FailedPrecondition if it is another
// file.
absl::StatusOr<os::Node> FileTable::FindNode(const FileEntry& entry,
                                             std::string_view what) const {
  std::string path = PathOf(entry);
  absl::StatusOr<os::Node> node = os::Node::Find(path);
  // Another process may have stored a new path since the path was read.
  for (std::string now = PathOf(entry); !node.ok() && now != path;
       now = PathOf(entry)) {
    path = now;
    node = os::Node::Find(path);
  }
  if (absl::IsNotFound(node.status())) {
    return absl::NotFoundError(absl::StrCat(
        os::Abs(what), " ", path, ": the file is not there any more; put it "
        "back, open it under its new name, or discard its pages with 'mpool "
        "remove --force' once nobody uses the environment"));
  }
  MPOOL_RETURN_IF_ERROR(node.status());
  MPOOL_ASSIGN_OR_RETURN(const os::FileInfo info, node->Info());
  if (!IsFile(entry, info.identity)) return AnotherFile(what, path);
  return node;
}

// REQUIRES: mutex_.
absl::StatusOr<std::shared_ptr<os::File>> FileTable::OpenAgain(
    const FileEntry& entry) {
  constexpr char kWhat[] = "write back pages of";
  MPOOL_ASSIGN_OR_RETURN(const os::Node node, FindNode(entry, kWhat));
  MPOOL_ASSIGN_OR_RETURN(const os::FileInfo found, node.Info());
  // If a file that is open here has this inode number, the file is not this
  // entry's any more. An open of it would end in a close, which E6 forbids.
  for (const auto& [index, local] : local_) {
    if (local.handles != 0 && At(index) != &entry &&
        HasSameInode(local.identity, found.identity)) {
      return AnotherFile(kWhat, node.path());
    }
  }
  MPOOL_ASSIGN_OR_RETURN(const std::shared_ptr<os::File> file,
                         OpenPageFile(node, /*for_writing=*/true));
  MPOOL_ASSIGN_OR_RETURN(const FileLook look, LookAtFile(entry, *file));
  os::FileIdentity identity = look.info.identity;
  identity.generation = file->Generation();
  if (!IsFile(entry, identity)) return AnotherFile(kWhat, node.path());
  if (!IsOpenAnywhere(entry) && look.IsChangedByOthers()) {
    return ChangedByOthers(node.path());
  }
  return file;
}

absl::StatusOr<std::shared_ptr<os::File>> FileTable::BeginWriting(
    uint32_t index) {
  FileEntry& entry = *At(index);
  std::lock_guard<std::mutex> lock(mutex_);
  // The word is read under mutex_, because an older generation would undo an
  // open by another thread.
  const uint64_t word = entry.word.load();
  Local& local = LocalOf(index, FileWord::Unpack(word).generation);
  if (local.writable == nullptr) {
    absl::StatusOr<std::shared_ptr<os::File>> file = OpenAgain(entry);
    MPOOL_RETURN_IF_ERROR(file.status());
    if (FileWord::Unpack(word).state == FileState::kClaimed ||
        FileWord::Unpack(entry.word.load()).generation != local.generation) {
      return absl::UnavailableError(absl::StrCat(
          "write back pages of ", PathOf(entry), ": its place in the "
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
  } else if (!IsOpenAnywhere(entry)) {
    MPOOL_ASSIGN_OR_RETURN(const FileLook look,
                           LookAtFile(entry, *local.writable));
    if (look.IsChangedByOthers()) return ChangedByOthers(PathOf(entry));
  }
  MPOOL_RETURN_IF_ERROR(
      Claim(local, local.identity, PathOf(entry), /*for_writing=*/true));
  ++local.writing;
  ++local.written;
  local.last_use = ++uses_;
  return local.writable;
}

void FileTable::EndWriting(uint32_t index) {
  std::lock_guard<std::mutex> lock(mutex_);
  const auto found = local_.find(index);
  if (found == local_.end()) return;
  Local& local = found->second;
  ++local.written;
  if (--local.writing != 0 || local.handles != 0) return;
  // A file that this process does not have open may be opened in another
  // environment.
  local.claim.Drop();
  local.claims_writing = false;
}

absl::StatusOr<SyncHandle> FileTable::ForSync(uint32_t index) {
  const FileEntry& entry = *At(index);
  std::lock_guard<std::mutex> lock(mutex_);
  const auto found = local_.find(index);
  if (found != local_.end() &&
      found->second.generation ==
          FileWord::Unpack(entry.word.load()).generation) {
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
                         OpenPageFile(node, /*for_writing=*/false));
  MPOOL_ASSIGN_OR_RETURN(const os::FileInfo info, file->Info());
  os::FileIdentity identity = info.identity;
  identity.generation = file->Generation();
  if (!IsFile(entry, identity)) return AnotherFile("sync file", node.path());
  return SyncHandle{.file = file, .is_new = true};
}

void FileTable::NoteRepaired(uint32_t index, const SyncHandle& handle) {
  std::lock_guard<std::mutex> lock(mutex_);
  const auto found = local_.find(index);
  if (found != local_.end() && found->second.writable == handle.file) {
    found->second.is_new = false;
  }
}

void FileTable::NoteSynced(uint32_t index, const SyncHandle& handle) {
  std::lock_guard<std::mutex> lock(mutex_);
  const auto found = local_.find(index);
  if (found != local_.end() && found->second.writable == handle.file) {
    Local& local = found->second;
    local.synced = std::max(local.synced, handle.written);
  }
}

// REQUIRES: mutex_.
std::vector<uint32_t> FileTable::KeptByAge() const {
  std::vector<uint32_t> kept;
  for (const auto& [index, local] : local_) {
    if (local.handles == 0 && local.writing == 0 && !local.is_taken &&
        local.writable != nullptr) {
      kept.push_back(index);
    }
  }
  std::sort(kept.begin(), kept.end(), [this](uint32_t a, uint32_t b) {
    return local_.at(a).last_use < local_.at(b).last_use;
  });
  return kept;
}

std::optional<FileTable::Kept> FileTable::TakeKept(size_t most) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (!retired_.empty()) {
    Kept kept{.index = kMaxFiles,
              .generation = 0,
              .handle = {.file = std::move(retired_.back())},
              .needs_sync = true};
    retired_.pop_back();
    return kept;
  }
  const std::vector<uint32_t> kept = KeptByAge();
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
  local.is_taken = true;
  return Kept{.index = *chosen,
              .generation = local.generation,
              .handle = {.file = local.writable,
                         .written = local.written,
                         .is_new = local.is_new},
              .needs_sync = local.written != local.synced};
}

void FileTable::Release(const Kept& kept, bool closes) {
  std::lock_guard<std::mutex> lock(mutex_);
  const auto found = local_.find(kept.index);
  if (found == local_.end() ||
      found->second.writable != kept.handle.file) {
    return;
  }
  Local& local = found->second;
  local.is_taken = false;
  local.last_use = ++uses_;
  if (closes && local.handles == 0 && local.writing == 0 &&
      local.written == kept.handle.written) {
    local_.erase(found);
  }
}

size_t FileTable::kept_count() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return KeptByAge().size() + retired_.size();
}

// Opens the file in the child like Open. The last process that had the file
// open may have closed it, and other programs may have changed it since.
// REQUIRES: the files latch and mutex_.
absl::Status FileTable::OpenInChild(uint32_t index, Local& local,
                                    const Drop& drop) {
  Request request;
  request.file = local.files.front();
  const FileEntry& entry = *At(index);
  request.path = PathOf(entry);
  const absl::StatusOr<os::FileInfo> info = request.file->Info();
  // A file without a name cannot be opened in another environment.
  const bool has_name = !info.ok() || info->links != 0;
  // It may have been renamed since an open by path.
  const std::string now = request.file->CurrentPath().value_or(request.path);
  request.page_bytes = entry.page_bytes.load();
  request.lsn_offset = static_cast<int>(entry.lsn_place.load()) - 1;
  if (has_name) {
    MPOOL_RETURN_IF_ERROR(
        Claim(local, local.identity, now, local.writable != nullptr));
  }
  return Match(request, index, drop);
}

absl::Status FileTable::MarkOpenInChild(
    const region::Thread& self,
    const std::function<absl::Status(uint32_t classes)>& check_room,
    const Drop& drop) {
  LatchGuard guard(self, frames_.pool().files_latch);
  std::lock_guard<std::mutex> lock(mutex_);
  // The parent opened these files to write pages back, and syncs its own
  // writes.
  std::erase_if(local_, [](const auto& entry) {
    return entry.second.handles == 0 || entry.second.files.empty();
  });
  retired_.clear();
  uint32_t classes = 0;
  for (auto& [index, local] : local_) {
    FileEntry& entry = *At(index);
    local.writing = 0;
    local.is_taken = false;
    local.synced = local.written;
    if (FileWord::Unpack(entry.word.load()).generation != local.generation) {
      return absl::FailedPreconditionError(absl::StrCat(
          "use ", region_.home_files().home().path(),
          " in a forked child: before the "
          "child's first call its parent closed a file that both had open; "
          "open the environment again in the child"));
    }
    classes |= 1u << ClassOf(entry.page_bytes.load());
  }
  MPOOL_RETURN_IF_ERROR(check_room(classes));
  absl::Status claimed;
  for (auto& [index, local] : local_) {
    claimed.Update(OpenInChild(index, local, drop));
  }
  if (!claimed.ok()) {
    for (auto& [index, local] : local_) local.claim.Drop();
    return claimed;
  }
  for (const auto& [index, local] : local_) SetOpen(self, *At(index));
  return absl::OkStatus();
}

}  // namespace mpool::internal
