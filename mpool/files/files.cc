// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "mpool/files/files.h"

#include <cstring>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "os/clock.h"
#include "os/stamp.h"
#include "os/status.h"
#include "os/step.h"

namespace mpool::internal {
namespace {


// no step below: its callers pass steps.
void RaiseTo(std::atomic<uint64_t>* mark, uint64_t value) {
  uint64_t now = mark->load(std::memory_order_relaxed);
  while (now < value &&
         !mark->compare_exchange_weak(now, value, std::memory_order_acq_rel)) {
  }
}

// no step below: a file with half of another identity is only not recognized.
void SetIdentity(FileEntry& entry, const os::FileIdentity& identity) {
  entry.device.store(identity.device);
  entry.inode.store(identity.inode);
  entry.birth_ns.store(identity.birth_ns);
  entry.inode_generation.store(identity.generation);
}

// `settled` refers to the current write_count.
void SetSeen(FileEntry& entry, const os::FileInfo& info, bool settled) {
  entry.seen_size.store(info.size_bytes, std::memory_order_relaxed);
  entry.seen_mtime_ns.store(info.mtime_ns, std::memory_order_relaxed);
  entry.seen_ctime_ns.store(info.ctime_ns, std::memory_order_relaxed);
  entry.settled_count.store(settled ? entry.write_count.load() + 1 : 0,
                            std::memory_order_relaxed);
}

bool IsSettledNow(const FileEntry& entry, const os::FileInfo& info) {
  return os::IsSettled(info, entry.has_fine_stamps.load() != 0);
}

uint32_t LsnPlace(const FileTable::Request& request) {
  return static_cast<uint32_t>(request.lsn_offset + 1);
}

absl::Status CheckSize(const FileTable::Request& request,
                       const os::FileInfo& info) {
  if (request.odd_size || info.size_bytes % request.page_bytes == 0) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "open file ", request.path, ": its size ", info.size_bytes,
      " is not a multiple of the page size ", request.page_bytes,
      ". Either its pages have another size: give the page size that it was "
      "made with. Or a write at its end was cut short (a full disk, a lost "
      "power supply): open it with FileOptions::odd_size, which gives its ",
      info.size_bytes / request.page_bytes, " whole pages"));
}

}  // namespace

os::FileIdentity IdentityOf(const FileEntry& entry) {
  return {.device = entry.device.load(std::memory_order_relaxed),
          .inode = entry.inode.load(std::memory_order_relaxed),
          .birth_ns = entry.birth_ns.load(std::memory_order_relaxed),
          .generation =
              entry.inode_generation.load(std::memory_order_relaxed)};
}

// Because the counts are read in this order, the seen times and the file's
// times are of one moment if no write began before the second read of the
// counts.
absl::StatusOr<FileLook> LookAtFile(const FileEntry& entry,
                                    const os::File& file) {
  const uint64_t over = entry.seen_count.load(std::memory_order_acquire);
  const Seen seen(entry);
  MPOOL_ASSIGN_OR_RETURN(const os::FileInfo info, file.Info());
  const bool quiet = entry.write_count.load(std::memory_order_acquire) == over;
  return FileLook{seen, info, quiet};
}

// no step below: a count that is too low only makes clean pages be read again.
void FileTable::LookAgain(FileEntry& entry, const os::File& file) {
  const absl::StatusOr<FileLook> look = LookAtFile(entry, file);
  if (!look.ok() || !look->quiet || look->seen.is_unknown() ||
      look->seen.Differs(look->info) || !IsSettledNow(entry, look->info)) {
    return;
  }
  RaiseTo(&entry.settled_count, look->seen.count + 1);
}

// Invalidates older handles to the entry in forked children that are not
// attached.
// REQUIRES: no frame holds a page of it.
void FileTable::NewGeneration(FileEntry& entry) {
  FileWord word =
      FileWord::Unpack(entry.word.load(std::memory_order_relaxed));
  ++word.generation;
  entry.word.store(word.Pack(), std::memory_order_release);
  MPOOL_STEP("mpool.file.renewed");
}

// no step below: its callers pass steps.
void FileTable::SetState(FileEntry& entry, FileState state) {
  FileWord word =
      FileWord::Unpack(entry.word.load(std::memory_order_relaxed));
  word.state = state;
  word.owner = 0;
  entry.word.store(word.Pack(), std::memory_order_release);
}

// Counts the open first, so that a process that dies between the two steps has
// opened nothing.
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
      !region_.memory().Contains(block, kFilesPerBlock * sizeof(FileEntry))) {
    return nullptr;
  }
  return region_.memory().At<FileEntry>(block) + index % kFilesPerBlock;
}

bool FileTable::IsOpenAnywhere(const FileEntry& entry) {
  for (const std::atomic<uint64_t>& bits : entry.open_bits) {
    if (bits.load(std::memory_order_acquire) != 0) return true;
  }
  return false;
}

std::string FileTable::PathOf(const FileEntry& entry) const {
  const uint64_t offset = entry.path.load(std::memory_order_acquire);
  const uint64_t size = region_.memory().heap().SizeOf(offset);
  if (size == 0) return "";
  const char* text = region_.memory().At<char>(offset);
  return std::string(text, strnlen(text, size));
}

std::string FileTable::DescribePage(uint64_t key) const {
  const FileEntry* entry = At(PageKey::FileIndex(key));
  return absl::StrCat("page ", PageKey::Page(key), " of ",
                      entry == nullptr ? "a file" : PathOf(*entry));
}

absl::Status FileTable::EnsureBlock(const region::Thread& self,
                                    uint32_t block) {
  std::atomic<uint64_t>& place = frames_.pool().file_blocks[block];
  if (place.load(std::memory_order_acquire) != 0) return absl::OkStatus();
  return region_.memory().heap()
      .AllocateLinked(self, kFilesPerBlock * sizeof(FileEntry), kLineBytes,
                      &place)
      .status();
}

FsyncMark FileTable::MarkOf(const region::Thread& self) const {
  const auto word = region::ProcessWord::Unpack(
      region_.memory().header()->processes[self.process - 1].word.load());
  return {.generation = static_cast<uint32_t>(word.generation),
          .thread = self.id};
}

// Frees the entry of a closed file if all its writes are synced (E4). The mark
// keeps other processes from an fsync of the old file, because they would store
// its outcome for the new file. ClaimFree clears the mark after it has set the
// new generation.
bool FileTable::TryFree(const region::Thread& self, uint32_t index,
                        const Drop& drop) {
  FileEntry& entry = *At(index);
  uint64_t none = 0;
  FsyncMark mark = MarkOf(self);
  mark.frees = true;
  if (IsOpenAnywhere(entry) || !IsSynced(entry)) return false;
  MPOOL_STEP("mpool.file.mark");
  if (!entry.fsync_mark.compare_exchange_strong(none, mark.Pack())) {
    return false;
  }
  MPOOL_STEP("mpool.file.marked");
  if (!IsSynced(entry) || !drop(index).ok() || !IsSynced(entry)) {
    entry.fsync_mark.store(0);  // no step: as before
    return false;
  }
  SetState(entry, FileState::kFree);
  return true;
}

// Returns a FREE entry that is now CLAIMED by this process.
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
    // no step: an entry of zeros is FREE.
    used.store(count + 1, std::memory_order_release);
  }
  for (uint32_t i = 0; i < count && found == kMaxFiles; ++i) {
    if (TryFree(self, i, drop)) found = i;
  }
  if (found == kMaxFiles) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "open file: the environment knows ", kMaxFiles,
        " files already, and none of them is closed, clean and synced; close "
        "files, or see which one Sync cannot make durable"));
  }
  FileEntry& entry = *At(found);
  FileWord word = FileWord::Unpack(entry.word.load());
  word = {.generation = word.generation + 1,
          .owner = self.process,
          .state = FileState::kClaimed};
  MPOOL_STEP("mpool.file.claim");
  entry.word.store(word.Pack(), std::memory_order_release);
  MPOOL_STEP("mpool.file.claimed");
  entry.fsync_mark.store(0);  // no step: of TryFree
  return found;
}

// no step below: no thread reads a CLAIMED entry.
absl::Status FileTable::Fill(const region::Thread& self, FileEntry& entry,
                             const Request& request,
                             const os::FileInfo& info) {
  SetIdentity(entry, info.identity);
  entry.page_bytes.store(request.page_bytes);
  entry.lsn_place.store(LsnPlace(request));
  entry.page_count.store(info.size_bytes / request.page_bytes);
  entry.write_count.store(0);
  entry.seen_count.store(0);
  entry.synced_count.store(0);
  entry.pages_read.store(0);
  entry.pages_written.store(0);
  entry.unsynced_evicted.store(0);
  entry.evicted_covered.store(0);
  entry.sticky.store(0);
  entry.cutter.store(0);
  for (auto& bits : entry.open_bits) bits.store(0);
  entry.has_fine_stamps.store(os::HasFineStamps(*request.file) ? 1 : 0);
  SetSeen(entry, info, IsSettledNow(entry, info));
  return SetPath(self, entry, request.path);
}

// Stores the path in new memory, because other processes read the old path
// without a latch.
absl::Status FileTable::SetPath(const region::Thread& self, FileEntry& entry,
                                const std::string& path) {
  const uint64_t old = entry.path.load();
  if (old != 0 && PathOf(entry) == path) return absl::OkStatus();
  return region_.memory().heap()
      .AllocateLinked(
          self, path.size() + 1, 16, &entry.path,
          [&](uint64_t offset) {
            std::memcpy(region_.memory().base() + offset, path.c_str(),
                        path.size() + 1);
          },
          old)
      .status();
}

// Returns Unavailable if the request gives the entry a new generation, but a
// write of the old one is not synced (E4).
absl::Status FileTable::CheckRenewal(const Request& request,
                                     const FileEntry& entry) const {
  const uint32_t page_bytes = entry.page_bytes.load();
  if (page_bytes == request.page_bytes || IsSynced(entry)) {
    return absl::OkStatus();
  }
  return absl::UnavailableError(absl::StrCat(
      "open file ", request.path, " with pages of ", request.page_bytes,
      " bytes: pages of ", page_bytes, " bytes were written to it and could "
      "not be synced; call Sync, which reports why, and open the file again"));
}

// Returns OK if the request fits the entry that the file already has. The entry
// then counts all pages of the file. Returns InvalidArgument or
// FailedPrecondition if it does not fit.
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
  MPOOL_ASSIGN_OR_RETURN(const FileLook look, LookAtFile(entry, *request.file));
  const bool same = page_bytes == request.page_bytes && same_lsn;
  if (!is_open) MPOOL_RETURN_IF_ERROR(CheckRenewal(request, entry));
  // Without proof of the file's identity, its inode number may belong to
  // another file.
  const bool unchanged = !look.seen.Differs(look.info) &&
                         look.seen.is_settled && look.quiet &&
                         IdentityOf(entry).HasProof();
  if (!is_open && !(same && unchanged)) {
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

// Reads the file's state again. No thread writes the file, because the pool has
// no page of it. So this state is complete and includes writes since the first
// read.
absl::Status FileTable::MatchAnew(const Request& request, FileEntry& entry) {
  MPOOL_ASSIGN_OR_RETURN(const os::FileInfo info, request.file->Info());
  // The check is skipped for an unchanged page size, because a partial page is
  // then a write that was cut short.
  if (entry.page_bytes.load() != request.page_bytes) {
    MPOOL_RETURN_IF_ERROR(CheckSize(request, info));
  }
  if (entry.page_bytes.load() != request.page_bytes) {
    MPOOL_RETURN_IF_ERROR(CheckRenewal(request, entry));
    NewGeneration(entry);
  }
  entry.page_count.store(0);
  MPOOL_STEP("mpool.file.uncounted");
  entry.page_bytes.store(request.page_bytes);
  entry.lsn_place.store(LsnPlace(request));
  MPOOL_STEP("mpool.file.sized");
  SetSeen(entry, info, IsSettledNow(entry, info));
  RaiseTo(&entry.page_count, info.size_bytes / request.page_bytes);
  return absl::OkStatus();
}

// True if the entry belongs to the file with this identity. The file system of
// a closed file may have been mounted again under another device number. Then
// the entry's path does not lead to a file with the old number.
bool FileTable::IsFile(const FileEntry& entry,
                       const os::FileIdentity& identity) const {
  const os::FileIdentity known = IdentityOf(entry);
  if (known == identity) return true;
  if (!known.IsSameInode(identity) || !known.HasProof() ||
      IsOpenAnywhere(entry)) {
    return false;
  }
  const absl::StatusOr<os::FileInfo> there =
      os::InfoAt(region_.home_files().home(), PathOf(entry));
  return !there.ok() || there->identity.device != known.device;
}

std::optional<uint32_t> FileTable::Find(
    const Request& request, const os::FileIdentity& identity) const {
  std::optional<uint32_t> found;
  auto find = [&](auto&& matches) {
    if (found.has_value()) return;
    ForEach([&](uint32_t index, const FileEntry& entry, FileWord) {
      if (!found.has_value() && matches(entry)) found = index;
    });
  };
  find([&](const FileEntry& entry) { return IdentityOf(entry) == identity; });
  if (request.found.inode != 0 && !(request.found == identity)) {
    find([&](const FileEntry& entry) {
      return IdentityOf(entry) == request.found;
    });
  }
  find([&](const FileEntry& entry) { return IsFile(entry, identity); });
  if (found.has_value() || !request.file->IsOnOverlay()) return found;
  // Another program caused the copy-up. The number of a file that is open is
  // not used again.
  find([&](const FileEntry& entry) {
    const os::FileIdentity known = IdentityOf(entry);
    return known.device == identity.device && known.inode == identity.inode &&
           IsOpenAnywhere(entry);
  });
  return found;
}

absl::StatusOr<uint32_t> FileTable::FindOrClaim(const region::Thread& self,
                                                const Request& request,
                                                const os::FileInfo& info,
                                                const Drop& drop) {
  const std::optional<uint32_t> found = Find(request, info.identity);
  if (found.has_value()) {
    // no step: a file with half of its new identity is only not recognized.
    SetIdentity(*At(*found), info.identity);
    MPOOL_RETURN_IF_ERROR(Match(request, *found, drop));
    // The file may have been renamed, and a flusher opens the file by its path.
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

// Raises the count, then reads the cutter. CutPartialPage stores the cutter,
// then reads the counts (all seq_cst). So CutPartialPage sees each write that
// began before it, and each later write waits for it.
void FileTable::BeforeWrite(const region::Thread& self, FileEntry& entry) {
  MPOOL_STEP("mpool.write.announce");
  entry.write_count.fetch_add(1, std::memory_order_seq_cst);
  MPOOL_STEP("mpool.write.announced");
  while (const uint32_t cutter = entry.cutter.load(std::memory_order_seq_cst)) {
    region_.repairer().RepairIfDead(cutter, self.id);
    os::Sleep(absl::Milliseconds(1));
  }
}

// Without the truncation, the file would have a size that is not a multiple of
// the page size until the page is written again.
void FileTable::CutPartialPage(const region::Thread& self, FileEntry& entry,
                               const os::File& file, uint64_t begin,
                               uint64_t end) {
  uint32_t nobody = 0;
  MPOOL_STEP("mpool.cut.claim");
  if (!entry.cutter.compare_exchange_strong(nobody, self.id,
                                            std::memory_order_seq_cst)) {
    return;
  }
  MPOOL_STEP("mpool.cut.claimed");
  const bool alone = entry.write_count.load(std::memory_order_seq_cst) ==
                     entry.seen_count.load(std::memory_order_seq_cst) + 1;
  const absl::StatusOr<os::FileInfo> info = file.Info();
  const uint64_t page_bytes = entry.page_bytes.load();
  if (alone && info.ok() && info->size_bytes > begin &&
      info->size_bytes < end && info->size_bytes % page_bytes != 0) {
    // If this fails, the page is still dirty and will be written as a whole.
    const uint64_t whole = info->size_bytes / page_bytes * page_bytes;
    // An earlier write may have seen the partial page.
    if (file.Resize(whole).ok()) entry.seen_size.store(whole);
    MPOOL_STEP("mpool.cut.done");
  }
  entry.cutter.store(0, std::memory_order_seq_cst);
  MPOOL_STEP("mpool.cut.over");
}

// It counts as no write, because no page is WRITING during it. The cutter and
// the counts exclude writers, as in CutPartialPage.
absl::StatusOr<bool> FileTable::TryCutTail(const region::Thread& self,
                                           FileEntry& entry,
                                           const os::File& file) {
  uint32_t cutter = 0;
  MPOOL_STEP("mpool.tail.claim");
  if (!entry.cutter.compare_exchange_strong(cutter, self.id,
                                            std::memory_order_seq_cst)) {
    region_.repairer().RepairIfDead(cutter, self.id);
    return false;
  }
  MPOOL_STEP("mpool.tail.claimed");
  const absl::Cleanup release = [&] {
    entry.cutter.store(0, std::memory_order_seq_cst);
    MPOOL_STEP("mpool.tail.over");
  };
  const uint64_t over = entry.seen_count.load(std::memory_order_seq_cst);
  if (entry.write_count.load(std::memory_order_seq_cst) != over) return false;
  MPOOL_ASSIGN_OR_RETURN(os::FileInfo info, file.Info());
  const uint64_t page_bytes = entry.page_bytes.load();
  const uint64_t whole = info.size_bytes / page_bytes * page_bytes;
  if (whole != info.size_bytes) {
    MPOOL_RETURN_IF_ERROR(file.Resize(whole));
    MPOOL_STEP("mpool.tail.done");
    MPOOL_ASSIGN_OR_RETURN(info, file.Info());
    SetSeen(entry, info, /*settled=*/false);
  }
  return true;
}

absl::Status FileTable::CutTail(const region::Thread& self, FileEntry& entry,
                                const os::File& file) {
  const uint64_t page_bytes = entry.page_bytes.load(std::memory_order_relaxed);
  if (entry.seen_size.load(std::memory_order_acquire) % page_bytes == 0) {
    return absl::OkStatus();
  }
  const os::Deadline patience(absl::Seconds(10));
  while (true) {
    const absl::StatusOr<bool> is_cut = TryCutTail(self, entry, file);
    if (!is_cut.ok()) {
      return absl::Status(is_cut.status().code(),
                          absl::StrCat("make a page of ", file.path(), ": ",
                                       is_cut.status().message()));
    }
    if (*is_cut) return absl::OkStatus();
    if (patience.passed()) {
      return absl::UnavailableError(absl::StrCat(
          "make a page of ", file.path(), ": the file ends with a part of a "
          "page, which could not be cut off beside other writes; try again"));
    }
    // A dead writer does not end its write.
    RepairReport report;
    region_.repairer().RepairAll(self, &report);
    os::Sleep(absl::Milliseconds(1));
  }
}

// no step below: a page counted in excess only keeps an error from being
// cleared.
void FileTable::NoteDropped(uint64_t key, State bits) {
  if (!bits.has(State::kUnsynced) || bits.has(State::kDirty)) return;
  if (FileEntry* entry = At(PageKey::FileIndex(key))) {
    entry->unsynced_evicted.fetch_add(1, std::memory_order_acq_rel);
  }
}

// A lone writer stores the times that it reads, because clocks may go back.
// Concurrent writers pass here in any order and only raise the times. A writer
// that stored times while another write began reads them again.
// no step below: until the count is raised, the seen times prove nothing.
void FileTable::AfterWrite(FileEntry& entry, const os::File& file,
                           uint64_t pages) {
  entry.pages_written.fetch_add(pages, std::memory_order_relaxed);
  uint64_t begun = 0;
  do {
    const uint64_t over = entry.seen_count.load(std::memory_order_acquire);
    begun = entry.write_count.load(std::memory_order_acquire);
    const absl::StatusOr<os::FileInfo> info = file.Info();
    if (!info.ok()) return;  // the counts stay unequal, which proves nothing
    // The size is never lowered, so that a truncation by other programs is
    // noticed.
    RaiseTo(&entry.seen_size, info->size_bytes);
    if (begun == over + 1) {
      entry.seen_mtime_ns.store(info->mtime_ns);
      entry.seen_ctime_ns.store(info->ctime_ns);
    } else {
      RaiseTo(&entry.seen_mtime_ns, info->mtime_ns);
      RaiseTo(&entry.seen_ctime_ns, info->ctime_ns);
    }
    if (begun == over + 1 && IsSettledNow(entry, *info)) {
      RaiseTo(&entry.settled_count, begun + 1);
    }
  } while (entry.write_count.load(std::memory_order_seq_cst) != begun);
  MPOOL_STEP("mpool.write.see");
  entry.seen_count.fetch_add(1, std::memory_order_acq_rel);
  MPOOL_STEP("mpool.write.seen");
}

// Ends writes that dead processes began. The file's state is then unknown. A
// page of a live writer is WRITING from before the write is counted until its
// end is counted. So if no page is WRITING and no write began in between, only
// dead processes cause the difference of the counts.
// no step below: a repairer that dies here leaves the counts to the next
// repair.
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
  // Entries are claimed and filled under the latch, so only a dead owner of the
  // latch leaves a claim. The open bits need no latch.
  auto& latch = frames_.pool().files_latch;
  const uint32_t owner = latch.owner();
  const bool taken =
      is_dead(owner) && latch.TakeOver(owner, self);
  const uint32_t used = frames_.pool().files_used.load();
  for (uint32_t i = 0; i < used && At(i) != nullptr; ++i) {
    FileEntry& entry = *At(i);
    const FileWord word = FileWord::Unpack(entry.word.load());
    // This includes a claim whose repairer took over the latch and died.
    if (taken && word.state == FileState::kClaimed) {
      SetState(entry, FileState::kFree);
    }
    // A mark that is left here is of TryFree, in an entry that no file has.
    uint64_t mark = entry.fsync_mark.load();
    if (is_dead(FsyncMark::Unpack(mark).thread)) {
      entry.fsync_mark.compare_exchange_strong(mark, 0);  // no step: as above
    }
    uint32_t cutter = entry.cutter.load();
    // no step: a page that was not cut off is dirty.
    if (is_dead(cutter)) {
      // It may have cut the file without storing the new size and times.
      entry.seen_mtime_ns.store(0);
      entry.cutter.compare_exchange_strong(cutter, 0);
    }
    const uint32_t bit = process - 1;
    entry.open_bits[bit / 64].fetch_and(~(uint64_t{1} << (bit % 64)));
    MPOOL_STEP("mpool.repair.file");
  }
  if (!taken) return;
  ++*latches;
  latch.Unlock(self);
}

}  // namespace mpool::internal
