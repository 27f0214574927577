// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "mpool/files/file_table.h"

#include <cstring>

#include "absl/strings/str_cat.h"
#include "mpool/files/page_format.h"
#include "mpool/files/page_io.h"
#include "os/directory.h"
#include "os/filesystem_kind.h"
#include "os/stamp.h"
#include "os/status.h"
#include "os/step.h"

namespace mpool::internal {

FileTable::FileTable(region::Memory& memory,
                     const region::HomeFiles& home_files,
                     region::Repairer& repairer, FrameTable& frames)
    : FileEntries(memory, frames),
      memory_(memory),
      home_files_(home_files),
      frames_(frames),
      watch_(repairer),
      page_io_(std::make_unique<PageIo>(repairer, watch_)) {}

FileTable::~FileTable() = default;

// The file system of a closed file may have been mounted again under another
// device number. Then the entry's path does not lead to a file with the old
// number.
bool FileTable::IsFile(const FileEntry& entry,
                       const os::FileIdentity& identity) const {
  const os::FileIdentity known = IdentityOf(entry);
  if (known == identity) return true;
  os::FileIdentity moved = known;
  moved.device = identity.device;
  if (!moved.IsProvenSame(identity) ||
      IsOpenAnywhere(entry)) {
    return false;
  }
  const absl::StatusOr<os::FileInfo> there =
      os::InfoAt(home_files_.home(), PathOf(entry));
  return !there.ok() || there->identity.device != known.device;
}

FsyncMark FileTable::MarkOf(const region::Thread& self) const {
  MPOOL_ASSERT(self.process >= 1 && self.process <= kMaxProcesses);
  const auto word = region::ProcessWord::Unpack(
      memory_.header()->processes[self.process - 1].word.load());
  return {.generation = static_cast<uint32_t>(word.generation),
          .thread = self.id};
}

// no step below: a page counted in excess only keeps an error from being
// cleared.
void FileTable::NoteDropped(PageKey key, State bits) {
  if (!bits.has(State::kUnsynced) || bits.has(State::kDirty)) return;
  if (FileEntry* entry = At(key.file_index())) {
    entry->unsynced_evicted.fetch_add(1, std::memory_order_acq_rel);
  }
}

// no step below: its callers pass steps.
void FileTable::StoreWord(FileEntry& entry, FileWord from, FileWord to) {
#ifndef NDEBUG
  CheckTransition(from, to);
#else
  static_cast<void>(from);
#endif
  entry.word.store(to.Pack(), std::memory_order_release);
}

void FileTable::SetState(FileEntry& entry, FileState state) {
  const FileWord from =
      FileWord::Unpack(entry.word.load(std::memory_order_relaxed));
  StoreWord(entry, from, {.generation = from.generation, .state = state});
}

// Invalidates older handles to the entry in forked children that are not
// attached.
// REQUIRES: no frame holds a page of it. Not checkable: it needs a sweep.
void FileTable::Renew(const region::Thread& self, FileEntry& entry) {
  AssertLatched(self);
  const FileWord from =
      FileWord::Unpack(entry.word.load(std::memory_order_relaxed));
  StoreWord(entry, from, {.generation = from.generation + 1,
                          .state = from.state});
  MPOOL_STEP("mpool.file.renewed");
}

// Counts the open first, so that a process that dies between the two steps has
// opened nothing.
void FileTable::SetOpen(const region::Thread& self, FileEntry& entry) {
  AssertLatched(self);
  MPOOL_ASSERT(self.process >= 1 && self.process <= kMaxProcesses);
  const uint32_t bit = self.process - 1;
  MPOOL_STEP("mpool.file.open");
  entry.opens.fetch_add(1);
  entry.open_bits[bit / 64].fetch_or(uint64_t{1} << (bit % 64));
  SetState(entry, FileState::kOpen);
  MPOOL_STEP("mpool.file.opened");
}

void FileTable::ClearOpen(const region::Thread& self, FileEntry& entry) {
  AssertLatched(self);
  MPOOL_ASSERT(self.process >= 1 && self.process <= kMaxProcesses);
  const uint32_t bit = self.process - 1;
  MPOOL_STEP("mpool.file.close");
  entry.open_bits[bit / 64].fetch_and(~(uint64_t{1} << (bit % 64)));
  MPOOL_STEP("mpool.file.closed");
}

void FileTable::SetClosed(const region::Thread& self, FileEntry& entry) {
  AssertLatched(self);
  MPOOL_ASSERT(!IsOpenAnywhere(entry));
  SetState(entry, FileState::kClosed);
}

void FileTable::GiveUp(const region::Thread& self, FileEntry& entry) {
  AssertLatched(self);
  MPOOL_ASSERT(FileWord::Unpack(entry.word.load()).owner == self.process);
  SetState(entry, FileState::kFree);
}

absl::Status FileTable::EnsureBlock(const region::Thread& self,
                                    uint32_t block) {
  MPOOL_ASSERT(block < kMaxFiles / kFilesPerBlock);
  std::atomic<uint64_t>& place = frames_.pool().file_blocks[block];
  if (place.load(std::memory_order_acquire) != 0) return absl::OkStatus();
  return memory_.heap()
      .AllocateLinked(self, kFilesPerBlock * sizeof(FileEntry), kLineBytes,
                      &place)
      .status();
}

// Frees the entry of a closed file if all its writes are synced (E4). The mark
// keeps other processes from an fsync of the old file, because they would store
// its outcome for the new file. Claim clears the mark after it has set the new
// generation.
bool FileTable::TryFree(const region::Thread& self, uint32_t index,
                        const Drop& drop) {
  MPOOL_ASSERT(index < kMaxFiles && drop != nullptr);
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

// The mark keeps other processes from an fsync, as in TryFree.
absl::Status FileTable::Forget(const region::Thread& self, uint32_t index,
                               Fate fate, const Drop& drop) {
  AssertLatched(self);
  MPOOL_ASSERT(index < kMaxFiles && drop != nullptr);
  FileEntry& entry = *At(index);
  if (IsOpenElsewhere(entry, self.process) ||
      (fate == Fate::kGone && IsOpenAnywhere(entry))) {
    return absl::FailedPreconditionError(
        "a process has the file open; close it there");
  }
  uint64_t none = 0;
  FsyncMark mark = MarkOf(self);
  mark.frees = true;
  MPOOL_STEP("mpool.forget.mark");
  if (!entry.fsync_mark.compare_exchange_strong(none, mark.Pack())) {
    return absl::UnavailableError("an fsync of the file is under way");
  }
  MPOOL_STEP("mpool.forget.marked");
  const absl::Status dropped = drop(index);
  if (dropped.ok() && fate == Fate::kGone) {
    // Writes of a file without a name concern no reader any more.
    entry.sticky.store(0);
    entry.seen_count.store(entry.write_count.load());
    entry.synced_count.store(entry.write_count.load());
    MPOOL_STEP("mpool.forget.free");
    SetState(entry, FileState::kFree);
    MPOOL_STEP("mpool.forget.freed");
    return dropped;
  }
  // The caller gives up the changes that an earlier fsync may have lost too.
  // no step: a sticky error that stays is only reported again.
  if (dropped.ok() && !IsOpenAnywhere(entry)) entry.sticky.store(0);
  entry.fsync_mark.store(0);  // no step: as before
  return dropped;
}

absl::StatusOr<uint32_t> FileTable::ClaimFree(const region::Thread& self,
                                              const Drop& drop) {
  AssertLatched(self);
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
  Claim(self, *At(found));
  return found;
}

void FileTable::Claim(const region::Thread& self, FileEntry& entry) {
  MPOOL_ASSERT(self.process >= 1 && self.process <= kMaxProcesses);
  const FileWord from = FileWord::Unpack(entry.word.load());
  MPOOL_STEP("mpool.file.claim");
  StoreWord(entry, from, {.generation = from.generation + 1,
                          .owner = self.process,
                          .state = FileState::kClaimed});
  MPOOL_STEP("mpool.file.claimed");
  entry.fsync_mark.store(0);  // no step: of TryFree
}

// no step below: a file with half of another identity is only not recognized.
void FileTable::SetIdentity(FileEntry& entry,
                            const os::FileIdentity& identity) {
  MPOOL_ASSERT(identity.inode != 0);
  entry.device.store(identity.device);
  entry.inode.store(identity.inode);
  entry.birth_ns.store(identity.birth_ns);
  entry.inode_generation.store(identity.generation);
}

// no step below: a mixture of two handles finds no file, or the file of one.
void FileTable::SetHandle(FileEntry& entry, const os::PackedHandle& handle) {
  for (size_t i = 0; i < handle.words.size(); ++i) {
    entry.handle[i].store(handle.words[i], std::memory_order_relaxed);
  }
}

// no step below: no thread reads a CLAIMED entry.
absl::Status FileTable::Fill(const region::Thread& self, FileEntry& entry,
                             const OpenRequest& request,
                             const os::FileInfo& info) {
  AssertLatched(self);
  MPOOL_ASSERT(request.file != nullptr && !request.path.empty());
  MPOOL_ASSERT(FileWord::Unpack(entry.word.load()).owner == self.process);
  SetIdentity(entry, info.identity);
  SetHandle(entry, os::Pack(os::HandleOf(*request.file)));
  entry.page_bytes.store(request.page_bytes);
  entry.lsn_place.store(LsnPlaceOf(request.lsn_offset));
  entry.page_count.store(PagesIn(info.size_bytes, request.page_bytes));
  entry.write_count.store(0);
  entry.seen_count.store(0);
  entry.synced_count.store(0);
  entry.pages_read.store(0);
  entry.pages_written.store(0);
  entry.unsynced_evicted.store(0);
  entry.evicted_covered.store(0);
  entry.sticky.store(0);
  entry.cutter.store(0);
  // A process that died after it created the file has left an empty file.
  const bool may_be_new =
      request.is_created || (info.size_bytes == 0 && !request.read_only);
  entry.name_unsynced.store(may_be_new ? 1 : 0);
  for (auto& bits : entry.open_bits) bits.store(0);
  entry.has_fine_stamps.store(os::HasFineStamps(*request.file) ? 1 : 0);
  FileWatch::SetSeen(entry, info, FileWatch::IsSettledNow(entry, info));
  return SetPath(self, entry, request.path);
}

// Stores the path in new memory, because other processes read the old path
// without a latch.
absl::Status FileTable::SetPath(const region::Thread& self, FileEntry& entry,
                                const std::string& path) {
  AssertLatched(self);
  MPOOL_ASSERT(!path.empty());
  const uint64_t old = entry.path.load();
  if (old != 0 && PathOf(entry) == path) return absl::OkStatus();
  return memory_.heap()
      .AllocateLinked(
          self, path.size() + 1, 16, &entry.path,
          [&](uint64_t offset) {
            std::memcpy(memory_.base() + offset, path.c_str(),
                        path.size() + 1);
          },
          old)
      .status();
}

std::optional<uint32_t> FileTable::Find(
    const region::Thread& self, const OpenRequest& request,
    const os::FileIdentity& identity) const {
  AssertLatched(self);
  MPOOL_ASSERT(request.file != nullptr && identity.inode != 0);
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
  if (found.has_value() || !os::IsOnOverlay(*request.file)) return found;
  // Another program caused the copy-up. The number of a file that is open is
  // not used again.
  find([&](const FileEntry& entry) {
    const os::FileIdentity known = IdentityOf(entry);
    return known.device == identity.device && known.inode == identity.inode &&
           IsOpenAnywhere(entry);
  });
  return found;
}

// A page of a live writer is WRITING from before the write is counted until its
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
                            header.LoadKey().file_index() == index);
    });
    uint64_t seen = entry.seen_count.load();
    if (writing || seen == begun || entry.write_count.load() != begun) return;
    FileWatch::Forget(entry);
    entry.seen_count.compare_exchange_strong(seen, begun);
  });
}

void FileTable::Repair(const region::RepairPass& pass) {
  MPOOL_ASSERT(pass.process >= 1 && pass.process <= kMaxProcesses);
  // Entries are claimed and filled under the latch, so only a dead owner of the
  // latch leaves a claim. The open bits need no latch.
  const uint32_t owner = latch().owner();
  const uint32_t used = frames_.pool().files_used.load();
  if (pass.IsDead(owner) && latch().TakeOver(owner, pass.self)) {
    // This includes a claim whose repairer took over the latch and died.
    for (uint32_t i = 0; i < used && At(i) != nullptr; ++i) {
      const FileWord word = FileWord::Unpack(At(i)->word.load());
      if (word.state == FileState::kClaimed) {
        SetState(*At(i), FileState::kFree);
      }
    }
    ++pass.report->latches;
    latch().Unlock(pass.self);
  }
  for (uint32_t i = 0; i < used && At(i) != nullptr; ++i) {
    FileEntry& entry = *At(i);
    // A mark that is left here is of TryFree, in an entry that no file has.
    uint64_t mark = entry.fsync_mark.load();
    if (pass.IsDead(FsyncMark::Unpack(mark).thread)) {
      entry.fsync_mark.compare_exchange_strong(mark, 0);  // no step: as above
    }
    uint32_t cutter = entry.cutter.load();
    // no step: a page that was not cut off is dirty.
    if (pass.IsDead(cutter)) {
      // It may have cut the file without storing the new size and times.
      FileWatch::Forget(entry);
      entry.cutter.compare_exchange_strong(cutter, 0);
    }
    const uint32_t bit = pass.process - 1;
    entry.open_bits[bit / 64].fetch_and(~(uint64_t{1} << (bit % 64)));
    MPOOL_STEP("mpool.repair.file");
  }
}

// Closes all files, and frees entries that a dead process was filling. Stores
// the words without a check, because damaged memory may hold any word.
// REQUIRES: no other process is attached. Not checkable: the register knows.
// no step below: no other process is attached. A killed adopter's successor
// repeats it.
void FileTable::Adopt(region::Reachable* reached, RepairReport* report) {
  MPOOL_ASSERT(reached != nullptr && report != nullptr);
  uint32_t used = 0;
  for (uint32_t i = 0; i < kMaxFiles; ++i) {
    FileEntry* entry = At(i);
    if (entry == nullptr || entry->word.load() == 0) continue;
    used = i + 1;
    const FileWord word = FileWord::Unpack(entry->word.load());
    const bool unfilled =
        word.state == FileState::kFree ||
        (word.state == FileState::kClaimed && word.owner != 0);
    const FileWord adopted = {
        .generation = word.generation,
        .state = unfilled ? FileState::kFree : FileState::kClosed};
    entry->word.store(adopted.Pack(), std::memory_order_release);
    for (std::atomic<uint64_t>& bits : entry->open_bits) bits.store(0);
    if (entry->cutter.exchange(0) != 0) FileWatch::Forget(*entry);
    if (unfilled) entry->fsync_mark.store(0);
    if (entry->device.load() == home_files_.moved_from()) {
      entry->device.store(home_files_.identity().device);
    }
    if (entry->seen_count.load() != entry->write_count.load()) {
      FileWatch::Forget(*entry);
      entry->seen_count.store(entry->write_count.load());
    }
    if (entry->path.load() != 0 && !reached->Add(entry->path.load(), 1)) {
      entry->path.store(0);
      ++report->damaged;
    }
    MPOOL_STEP("mpool.adopt.file");
  }
  frames_.pool().files_used.store(used);
}

}  // namespace mpool::internal
