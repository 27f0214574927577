// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "mpool/files.h"

#include <cstring>

#include "absl/strings/str_cat.h"
#include "os/lost.h"
#include "os/status.h"
#include "os/step.h"

namespace mpool::internal {
namespace {

using region::LatchGuard;
using region::LockRank;

// quiet below: its callers pass steps.
void RaiseTo(std::atomic<uint64_t>* mark, uint64_t value) {
  uint64_t now = mark->load(std::memory_order_relaxed);
  while (now < value &&
         !mark->compare_exchange_weak(now, value, std::memory_order_acq_rel)) {
  }
}

os::FileIdentity IdentityOf(const FileEntry& entry) {
  return {.device = entry.device.load(std::memory_order_relaxed),
          .inode = entry.inode.load(std::memory_order_relaxed),
          .birth_ns = entry.birth_ns.load(std::memory_order_relaxed)};
}

void SetSeen(FileEntry& entry, const os::FileInfo& info) {
  entry.seen_size.store(info.size_bytes, std::memory_order_relaxed);
  entry.seen_mtime_ns.store(info.mtime_ns, std::memory_order_relaxed);
  entry.seen_ctime_ns.store(info.ctime_ns, std::memory_order_relaxed);
}

// What a file looked like when the pool last saw it.
struct Seen {
  uint64_t size_bytes;
  uint64_t mtime_ns;
  uint64_t ctime_ns;
  explicit Seen(const FileEntry& entry)
      : size_bytes(entry.seen_size.load(std::memory_order_acquire)),
        mtime_ns(entry.seen_mtime_ns.load(std::memory_order_relaxed)),
        ctime_ns(entry.seen_ctime_ns.load(std::memory_order_relaxed)) {}

  // A write whose process died was not seen to its end: anything may be.
  bool is_unknown() const { return mtime_ns == 0; }
  bool BytesDiffer(const os::FileInfo& info) const {
    return size_bytes != info.size_bytes || mtime_ns != info.mtime_ns;
  }
  // A rename, a link and a chmod change the ctime alone.
  bool Differs(const os::FileInfo& info) const {
    return BytesDiffer(info) || ctime_ns != info.ctime_ns;
  }
};

// A file and what the pool last saw of it.
struct Look {
  Seen seen;
  os::FileInfo info;
  bool quiet;  // no write was under way between the two

  bool IsChangedByOthers() const {
    return quiet && !seen.is_unknown() && seen.BytesDiffer(info);
  }
};

// In this order: if no write began before the second look at the counts, what
// was seen and what is there are of one time.
absl::StatusOr<Look> LookAt(const FileEntry& entry, const os::File& file) {
  const uint64_t over = entry.seen_count.load(std::memory_order_acquire);
  const Seen seen(entry);
  MPOOL_ASSIGN_OR_RETURN(const os::FileInfo info, file.Info());
  const bool quiet = entry.write_count.load(std::memory_order_acquire) == over;
  return Look{seen, info, quiet};
}

uint32_t LsnPlace(const FileTable::Request& request) {
  return static_cast<uint32_t>(request.lsn_offset + 1);
}

absl::Status CheckSize(const FileTable::Request& request,
                       const os::FileInfo& info) {
  if (info.size_bytes % request.page_bytes == 0) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "open file ", request.path, ": its size ", info.size_bytes,
      " is not a multiple of the page size ", request.page_bytes,
      "; give the page size that it was made with, or another file if it has "
      "no pages"));
}

}  // namespace

// Handles on it that are older, in children that have not come in, are void.
// REQUIRES: no frame holds a page of it.
void FileTable::NewGeneration(FileEntry& entry) {
  FileWord word =
      FileWord::Unpack(entry.word.load(std::memory_order_relaxed));
  ++word.generation;
  entry.word.store(word.Pack(), std::memory_order_release);
  MPOOL_STEP("mpool.file.renewed");
}

// quiet below: its callers pass steps.
void FileTable::SetState(FileEntry& entry, FileState state) {
  FileWord word =
      FileWord::Unpack(entry.word.load(std::memory_order_relaxed));
  word.state = state;
  word.owner = 0;
  entry.word.store(word.Pack(), std::memory_order_release);
}

// Counted first: who dies between the two has opened nothing.
void FileTable::SetOpen(const region::Thread& self, FileEntry& entry) {
  const uint32_t bit = self.process - 1;
  MPOOL_STEP("mpool.file.open");
  entry.opens.fetch_add(1);
  entry.open_bits[bit / 64].fetch_or(uint64_t{1} << (bit % 64));
  SetState(entry, FileState::kOpen);
  MPOOL_STEP("mpool.file.opened");
}

FileEntry* FileTable::At(uint32_t index) const {
  if (index >= kMaxFiles) return nullptr;
  const uint64_t block = frames_.pool().file_blocks[index / kFilesPerBlock]
                             .load(std::memory_order_acquire);
  if (block == 0 ||
      !region_.Contains(block, kFilesPerBlock * sizeof(FileEntry))) {
    return nullptr;
  }
  return region_.At<FileEntry>(block) + index % kFilesPerBlock;
}

bool FileTable::IsOpenAnywhere(const FileEntry& entry) {
  for (const std::atomic<uint64_t>& bits : entry.open_bits) {
    if (bits.load(std::memory_order_acquire) != 0) return true;
  }
  return false;
}

std::string FileTable::PathOf(const FileEntry& entry) const {
  const uint64_t offset = entry.path.load(std::memory_order_acquire);
  const uint64_t size = region_.heap().SizeOf(offset);
  if (size == 0) return "";
  const char* text = region_.At<char>(offset);
  return std::string(text, strnlen(text, size));
}

std::string FileTable::TellPage(uint64_t key) const {
  const FileEntry* entry = At(PageKey::FileIndex(key));
  return absl::StrCat("page ", PageKey::Page(key), " of ",
                      entry == nullptr ? "a file" : PathOf(*entry));
}

absl::Status FileTable::EnsureBlock(const region::Thread& self,
                                    uint32_t block) {
  std::atomic<uint64_t>& place = frames_.pool().file_blocks[block];
  if (place.load(std::memory_order_acquire) != 0) return absl::OkStatus();
  return region_.heap()
      .AllocateLinked(self, kFilesPerBlock * sizeof(FileEntry), kLineBytes,
                      &place)
      .status();
}

// A FREE entry, CLAIMED in this process's name.
absl::StatusOr<uint32_t> FileTable::ClaimFree(const region::Thread& self,
                                              const Drop& drop) {
  std::atomic<uint32_t>& used = frames_.pool().files_used;
  const uint32_t count = used.load(std::memory_order_relaxed);
  uint32_t found = kMaxFiles;
  for (uint32_t i = 0; i < count && found == kMaxFiles; ++i) {
    const FileWord word = FileWord::Unpack(At(i)->word.load());
    if (word.state == FileState::kFree) found = i;
  }
  if (found == kMaxFiles && count < kMaxFiles) {
    MPOOL_RETURN_IF_ERROR(EnsureBlock(self, count / kFilesPerBlock));
    found = count;
    // quiet: an entry of zeros is FREE.
    used.store(count + 1, std::memory_order_release);
  }
  for (uint32_t i = 0; i < count && found == kMaxFiles; ++i) {
    FileEntry& entry = *At(i);
    if (IsOpenAnywhere(entry) || !drop(i).ok()) continue;
    SetState(entry, FileState::kFree);
    found = i;
  }
  if (found == kMaxFiles) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "open file: the environment knows ", kMaxFiles,
        " files already and none of them is closed and clean"));
  }
  FileEntry& entry = *At(found);
  FileWord word = FileWord::Unpack(entry.word.load());
  word = {.generation = word.generation + 1,
          .owner = self.process,
          .state = FileState::kClaimed};
  MPOOL_STEP("mpool.file.claim");
  entry.word.store(word.Pack(), std::memory_order_release);
  MPOOL_STEP("mpool.file.claimed");
  return found;
}

// quiet below: nobody looks at an entry that is CLAIMED.
absl::Status FileTable::Fill(const region::Thread& self, FileEntry& entry,
                             const Request& request,
                             const os::FileInfo& info) {
  entry.device.store(info.identity.device);
  entry.inode.store(info.identity.inode);
  entry.birth_ns.store(info.identity.birth_ns);
  entry.page_bytes.store(request.page_bytes);
  entry.lsn_place.store(LsnPlace(request));
  entry.page_count.store(info.size_bytes / request.page_bytes);
  entry.write_count.store(0);
  entry.seen_count.store(0);
  entry.synced_count.store(0);
  entry.pages_read.store(0);
  entry.pages_written.store(0);
  entry.unsynced_evicted.store(0);
  entry.sticky_errno.store(0);
  for (auto& bits : entry.open_bits) bits.store(0);
  SetSeen(entry, info);
  return SetPath(self, entry, request.path);
}

// In a place of its own: others read the old one without a latch.
absl::Status FileTable::SetPath(const region::Thread& self, FileEntry& entry,
                                const std::string& path) {
  const uint64_t old = entry.path.load();
  if (old != 0 && PathOf(entry) == path) return absl::OkStatus();
  return region_.heap()
      .AllocateLinked(
          self, path.size() + 1, 16, &entry.path,
          [&](uint64_t offset) {
            std::memcpy(region_.base() + offset, path.c_str(),
                        path.size() + 1);
          },
          old)
      .status();
}

// Whether the request fits the entry that the file already has; then the entry
// knows all its pages.
absl::Status FileTable::Match(const Request& request, uint32_t index,
                              const Drop& drop) {
  FileEntry& entry = *At(index);
  const uint32_t page_bytes = entry.page_bytes.load();
  const bool same_lsn = entry.lsn_place.load() == LsnPlace(request);
  const bool is_open = IsOpenAnywhere(entry);
  if (is_open && page_bytes != request.page_bytes) {
    return absl::InvalidArgumentError(absl::StrCat(
        "open file ", request.path, " with pages of ", request.page_bytes,
        " bytes: it is open with pages of ", page_bytes,
        "; all handles must agree"));
  }
  if (is_open && !same_lsn) {
    return absl::InvalidArgumentError(absl::StrCat(
        "open file ", request.path, " with FileOptions::lsn_offset ",
        request.lsn_offset, ": it is open with ",
        int64_t{entry.lsn_place.load()} - 1, "; all handles must agree"));
  }
  MPOOL_ASSIGN_OR_RETURN(const Look look, LookAt(entry, *request.file));
  const bool same = page_bytes == request.page_bytes && same_lsn;
  if (!is_open && !(same && !look.seen.Differs(look.info))) {
    const absl::Status dropped = drop(index);
    if (dropped.ok()) return MatchAnew(request, entry);
    if (look.IsChangedByOthers()) {
      return absl::FailedPreconditionError(absl::StrCat(
          "open file ", request.path, ": it was changed by others while the "
          "environment holds unwritten pages of it (", dropped.ToString(),
          "); put the old file back, or discard them with 'mpool remove "
          "--force'"));
    }
    if (!same) {
      return absl::FailedPreconditionError(absl::StrCat(
          "open file ", request.path, " with pages of ", request.page_bytes,
          " bytes and lsn_offset ", request.lsn_offset, ": the environment "
          "holds unwritten pages of ", page_bytes, " bytes and lsn_offset ",
          int64_t{entry.lsn_place.load()} - 1, " of it (",
          dropped.message(), "); open it as before, and Sync"));
    }
  }
  RaiseTo(&entry.page_count, look.info.size_bytes / request.page_bytes);
  return absl::OkStatus();
}

// The pool has no page of it, so nobody writes any: what is there now is all
// there is, also what was written since the file was looked at.
absl::Status FileTable::MatchAnew(const Request& request, FileEntry& entry) {
  MPOOL_ASSIGN_OR_RETURN(const os::FileInfo info, request.file->Info());
  MPOOL_RETURN_IF_ERROR(CheckSize(request, info));
  if (entry.page_bytes.load() != request.page_bytes) NewGeneration(entry);
  entry.page_count.store(0);
  MPOOL_STEP("mpool.file.uncounted");
  entry.page_bytes.store(request.page_bytes);
  entry.lsn_place.store(LsnPlace(request));
  MPOOL_STEP("mpool.file.sized");
  SetSeen(entry, info);
  RaiseTo(&entry.page_count, info.size_bytes / request.page_bytes);
  return absl::OkStatus();
}

absl::StatusOr<uint32_t> FileTable::FindOrClaim(const region::Thread& self,
                                                const Request& request,
                                                const os::FileInfo& info,
                                                const Drop& drop) {
  std::optional<uint32_t> found;
  ForEach([&](uint32_t index, FileEntry& entry, FileWord) {
    if (!found.has_value() && IdentityOf(entry) == info.identity) found = index;
  });
  if (found.has_value()) {
    MPOOL_RETURN_IF_ERROR(Match(request, *found, drop));
    // It may have been renamed; who writes its pages back opens it by path.
    MPOOL_RETURN_IF_ERROR(SetPath(self, *At(*found), request.path));
    return *found;
  }
  MPOOL_RETURN_IF_ERROR(CheckSize(request, info));
  MPOOL_ASSIGN_OR_RETURN(const uint32_t index, ClaimFree(self, drop));
  const absl::Status filled = Fill(self, *At(index), request, info);
  if (!filled.ok()) {
    SetState(*At(index), FileState::kFree);
    return filled;
  }
  return index;
}

// REQUIRES: mutex_.
FileTable::Local& FileTable::LocalOf(uint32_t index, uint32_t generation) {
  Local& local = local_[index];
  if (local.generation != generation) {
    local = Local();
    local.generation = generation;
    local.identity = IdentityOf(*At(index));
  }
  return local;
}

// Two pools over one file would each show what the other has changed long ago.
absl::Status FileTable::Claim(Local& local, const os::File& file,
                              const std::string& path,
                              bool for_writing) const {
  if (local.claim.held() && (local.claims_writing || !for_writing)) {
    return absl::OkStatus();
  }
  absl::StatusOr<os::ByteLock> claim =
      os::ClaimFile(file, region_.creation(), for_writing);
  if (!claim.ok()) {
    return absl::Status(claim.status().code(),
                        absl::StrCat("open file ", path,
                                     ": it cannot be locked: ",
                                     claim.status().message()));
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

absl::StatusOr<OpenedFile> FileTable::Open(
    const region::Thread& self, const Request& request,
    const std::function<absl::Status()>& make_room, const Drop& drop) {
  LatchGuard guard(frames_.pool().files_latch, self.id, region_.watch(),
                   LockRank::kFiles);
  MPOOL_RETURN_IF_ERROR(make_room());
  // Under the latch: what was true before may have changed by a write-back.
  // Before anything is known of the file: another may be changing it.
  Local claimed;
  MPOOL_RETURN_IF_ERROR(
      Claim(claimed, *request.file, request.path, !request.read_only));
  MPOOL_ASSIGN_OR_RETURN(const os::FileInfo info, request.file->Info());
  MPOOL_ASSIGN_OR_RETURN(const uint32_t index,
                         FindOrClaim(self, request, info, drop));
  FileEntry& entry = *At(index);
  SetOpen(self, entry);
  OpenedFile opened;
  opened.index = index;
  opened.page_bytes = request.page_bytes;
  opened.page_class = ClassOf(request.page_bytes);
  const uint32_t generation = FileWord::Unpack(entry.word.load()).generation;
  opened.file_key = PageKey::FileKey(index, generation);
  opened.read_only = request.read_only;
  opened.atomic_update = request.atomic_update;
  opened.entry = &entry;
  opened.file = request.file;
  opened.path = request.path;
  std::lock_guard<std::mutex> lock(mutex_);
  Local& local = LocalOf(index, generation);
  ++local.handles;
  std::erase_if(local.files, [](const auto& file) { return file.expired(); });
  local.files.push_back(request.file);
  if (!request.read_only) local.writable = request.file;
  if (!local.claim.held() || !request.read_only) {
    local.claim = std::move(claimed.claim);
    local.claims_writing = claimed.claims_writing;
  }
  return opened;
}

uint64_t FileTable::Close(const region::Thread& self, const OpenedFile& file,
                          uint64_t written) {
  LatchGuard guard(frames_.pool().files_latch, self.id, region_.watch(),
                   LockRank::kFiles);
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
  local_.erase(file.index);
  MPOOL_STEP("mpool.file.close");
  entry.open_bits[bit / 64].fetch_and(~mine);
  MPOOL_STEP("mpool.file.closed");
  if (is_last) SetState(entry, FileState::kClosed);
  return kClosed;
}

bool FileTable::Forget(const OpenedFile& file) {
  std::lock_guard<std::mutex> lock(mutex_);
  // Who comes in marks the files under mutex_, and says before that it comes.
  if (!region_.IsOutside()) return false;
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

// All of them, whatever comes of one.
absl::Status FileTable::ForgetLostLocked() {
  absl::Status complete;
  for (auto& [index, local] : local_) {
    local.claim.Forget();
    for (const std::weak_ptr<os::File>& handle : local.files) {
      const std::shared_ptr<os::File> file = handle.lock();
      if (file == nullptr || !os::ForgetIfLost(*file, local.identity)) continue;
      complete.Update(absl::FailedPreconditionError(absl::StrCat(
          "use ", region_.home().path(), " in a forked child: the program "
          "closed the fd of ", file->path(), ", which is open; close only fds "
          "that are the program's own, or the file first")));
    }
    // Pages are written by an open of its own, when there are some.
    if (local.writable != nullptr &&
        os::ForgetIfLost(*local.writable, local.identity)) {
      local.writable = nullptr;
    }
  }
  return complete;
}

void FileTable::CloseAll() {
  std::lock_guard<std::mutex> lock(mutex_);
  if (region_.generation() == 0) ForgetLostLocked().IgnoreError();
  for (auto& [index, local] : local_) {
    local.writable = nullptr;
    local.claim.Drop();
  }
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

absl::StatusOr<std::shared_ptr<os::File>> FileTable::ForWriting(
    uint32_t index) {
  FileEntry& entry = *At(index);
  std::lock_guard<std::mutex> lock(mutex_);
  // Under mutex_: an older generation would undo what another thread opened.
  const uint64_t word = entry.word.load();
  Local& local = LocalOf(index, FileWord::Unpack(word).generation);
  if (local.writable != nullptr) return local.writable;
  std::string path = PathOf(entry);
  absl::StatusOr<os::File> file = OpenAgain(entry, path);
  // Somebody may have opened it under another name meanwhile.
  for (std::string now = PathOf(entry); !file.ok() && now != path;
       now = PathOf(entry)) {
    path = now;
    file = OpenAgain(entry, path);
  }
  MPOOL_RETURN_IF_ERROR(file.status());
  if (FileWord::Unpack(word).state == FileState::kClaimed ||
      FileWord::Unpack(entry.word.load()).generation != local.generation) {
    return absl::UnavailableError(absl::StrCat(
        "write back pages of ", path, ": its place in the environment was "
        "given to another file just now; try again"));
  }
  MPOOL_RETURN_IF_ERROR(Claim(local, *file, path, /*for_writing=*/true));
  local.writable = std::make_shared<os::File>(*std::move(file));
  return local.writable;
}

absl::StatusOr<os::File> FileTable::OpenAgain(const FileEntry& entry,
                                              const std::string& path) {
  absl::StatusOr<os::File> file =
      os::File::Open(path, {.no_follow = true, .regular = true});
  if (absl::IsNotFound(file.status())) {
    return absl::NotFoundError(absl::StrCat(
        "write back pages of ", path, ": the file is not there any more; put "
        "it back, open it under its new name, or discard its pages with "
        "'mpool remove --force' once nobody uses the environment"));
  }
  MPOOL_RETURN_IF_ERROR(file.status());
  MPOOL_ASSIGN_OR_RETURN(const Look look, LookAt(entry, *file));
  if (IdentityOf(entry) == look.info.identity) {
    if (IsOpenAnywhere(entry) || !look.IsChangedByOthers()) return file;
    return absl::FailedPreconditionError(absl::StrCat(
        "write back pages of ", path, ": it was changed by others while "
        "nobody had it open; put the old file back, or discard the pages with "
        "'mpool remove --force' once nobody uses the environment"));
  }
  return absl::FailedPreconditionError(absl::StrCat(
      "write back pages of ", path,
      ": another file has that name now; put the old one back, open it under "
      "its new name, or discard its pages with 'mpool remove --force' once "
      "nobody uses the environment"));
}

void FileTable::BeforeWrite(FileEntry& entry) {
  MPOOL_STEP("mpool.write.announce");
  entry.write_count.fetch_add(1, std::memory_order_acq_rel);
  MPOOL_STEP("mpool.write.announced");
}

// Who writes alone stores what it sees, for clocks may go back. Writers at once
// pass here in any order and only raise it; who stored though another has begun
// meanwhile looks again.
// quiet below: until the count is raised, what is seen proves nothing.
void FileTable::AfterWrite(FileEntry& entry, const os::File& file,
                           uint64_t pages) {
  entry.pages_written.fetch_add(pages, std::memory_order_relaxed);
  uint64_t begun = 0;
  do {
    const uint64_t over = entry.seen_count.load(std::memory_order_acquire);
    begun = entry.write_count.load(std::memory_order_acquire);
    const absl::StatusOr<os::FileInfo> info = file.Info();
    if (!info.ok()) return;  // the counts stay apart, which proves nothing
    // Never less: what others cut off is missed.
    RaiseTo(&entry.seen_size, info->size_bytes);
    if (begun == over + 1) {
      entry.seen_mtime_ns.store(info->mtime_ns);
      entry.seen_ctime_ns.store(info->ctime_ns);
    } else {
      RaiseTo(&entry.seen_mtime_ns, info->mtime_ns);
      RaiseTo(&entry.seen_ctime_ns, info->ctime_ns);
    }
  } while (entry.write_count.load(std::memory_order_seq_cst) != begun);
  MPOOL_STEP("mpool.write.see");
  entry.seen_count.fetch_add(1, std::memory_order_acq_rel);
  MPOOL_STEP("mpool.write.seen");
}

// Writes that the dead began are over, and what they left is unknown. A living
// writer's pages are WRITING from before it counts its write until it is seen;
// so if none is, and no write began meanwhile, the counts differ by the dead.
// quiet below: who dies in it leaves the counts to the next repair.
void FileTable::EndWritesOfDead() {
  ForEach([&](uint32_t index, FileEntry& entry, FileWord) {
    const uint64_t begun = entry.write_count.load();
    if (entry.seen_count.load() == begun) return;
    bool writing = false;
    frames_.ForEachHeader([&](const BufferHeader& header) {
      writing = writing || (header.Load().has(State::kWriting) &&
                            PageKey::FileIndex(header.key.load()) == index);
    });
    uint64_t seen = entry.seen_count.load();
    if (writing || seen == begun || entry.write_count.load() != begun) return;
    entry.seen_mtime_ns.store(0);
    entry.seen_count.compare_exchange_strong(seen, begun);
  });
}

void FileTable::Repair(const region::Thread& self, uint32_t process,
                       const std::function<bool(uint32_t)>& is_dead,
                       uint64_t* latches) {
  // Entries are claimed and filled under the latch, so only its dead owner
  // leaves a claim; the bits go without it.
  region::Latch& latch = frames_.pool().files_latch;
  const uint32_t owner = latch.owner();
  const bool taken =
      is_dead(owner) && latch.TakeOver(owner, self.id, LockRank::kFiles);
  const uint32_t used = frames_.pool().files_used.load();
  for (uint32_t i = 0; i < used && At(i) != nullptr; ++i) {
    FileEntry& entry = *At(i);
    const FileWord word = FileWord::Unpack(entry.word.load());
    // Also one that a repairer left, who had taken over the latch and died.
    if (taken && word.state == FileState::kClaimed) {
      SetState(entry, FileState::kFree);
    }
    const uint32_t bit = process - 1;
    entry.open_bits[bit / 64].fetch_and(~(uint64_t{1} << (bit % 64)));
    MPOOL_STEP("mpool.repair.file");
  }
  if (!taken) return;
  ++*latches;
  latch.Unlock(self.id, LockRank::kFiles);
}

// As an open: the last who had the file open may have closed it, and others may
// have changed it since.
absl::Status FileTable::OpenInChild(uint32_t index, const Local& local,
                                    const Drop& drop, Local& claimed) {
  Request request;
  request.file = local.writable;
  for (const std::weak_ptr<os::File>& handle : local.files) {
    if (request.file == nullptr) request.file = handle.lock();
  }
  if (request.file == nullptr) return absl::OkStatus();
  const FileEntry& entry = *At(index);
  request.path = PathOf(entry);
  request.page_bytes = entry.page_bytes.load();
  request.lsn_offset = static_cast<int>(entry.lsn_place.load()) - 1;
  MPOOL_RETURN_IF_ERROR(Claim(claimed, *request.file, request.path,
                              local.writable != nullptr));
  return Match(request, index, drop);
}

absl::Status FileTable::MarkOpenInChild(
    const region::Thread& self,
    const std::function<absl::Status(uint32_t classes)>& check_room,
    const Drop& drop) {
  LatchGuard guard(frames_.pool().files_latch, self.id, region_.watch(),
                   LockRank::kFiles);
  std::lock_guard<std::mutex> lock(mutex_);
  // What the parent opened to write pages back.
  std::erase_if(local_, [](const auto& entry) {
    return entry.second.handles == 0;
  });
  uint32_t classes = 0;
  for (const auto& [index, local] : local_) {
    FileEntry& entry = *At(index);
    if (FileWord::Unpack(entry.word.load()).generation != local.generation) {
      return absl::FailedPreconditionError(absl::StrCat(
          "use ", region_.home().path(), " in a forked child: before the "
          "child's first call its parent closed a file that both had open; "
          "open the environment again in the child"));
    }
    classes |= 1u << ClassOf(entry.page_bytes.load());
  }
  MPOOL_RETURN_IF_ERROR(check_room(classes));
  std::unordered_map<uint32_t, Local> claims;
  for (const auto& [index, local] : local_) {
    MPOOL_RETURN_IF_ERROR(OpenInChild(index, local, drop, claims[index]));
  }
  for (auto& [index, claim] : claims) {
    local_[index].claim = std::move(claim.claim);
    local_[index].claims_writing = claim.claims_writing;
  }
  for (const auto& [index, local] : local_) SetOpen(self, *At(index));
  return absl::OkStatus();
}

}  // namespace mpool::internal
