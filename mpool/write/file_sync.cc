// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "mpool/write/file_sync.h"

#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "mpool/files/file_watch.h"
#include "os/assert.h"
#include "os/directory_sync.h"
#include "os/status.h"
#include "os/step.h"

namespace mpool::internal {
namespace {

// Number of reads of another thread's mark before its process is probed.
constexpr int kLooks = 50;
// How long an fsync waits for the repair of a dead process by another one. A
// repair takes milliseconds, except if its process is stopped.
constexpr absl::Duration kAnothersRepair = absl::Milliseconds(100);

bool IsOf(const BufferHeader& header, uint32_t index) {
  return header.LoadKey(std::memory_order_relaxed).file_index() == index;
}

bool HasError(uint64_t sticky) {
  return StickyError::Unpack(sticky).error != 0;
}

// True if both words hold the same failure. Ignores `told`.
bool IsSameError(uint64_t a, uint64_t b) {
  return StickyError::Unpack(a).sequence == StickyError::Unpack(b).sequence &&
         HasError(a) == HasError(b);
}

}  // namespace

absl::Status FileSync::Begin(const region::Thread& self, FileEntry& entry,
                             const os::Deadline& deadline) {
  const FsyncMark mine = table_.MarkOf(self);
  MPOOL_ASSERT(mine.thread != 0 && !mine.frees);
  for (int looks = 1;; ++looks) {
    uint64_t other = 0;
    MPOOL_STEP("mpool.fsync.mark");
    if (entry.fsync_mark.compare_exchange_strong(other, mine.Pack(),
                                                 std::memory_order_seq_cst)) {
      MPOOL_STEP("mpool.fsync.marked");
      MPOOL_ASSERT(
          FsyncMark::Unpack(entry.fsync_mark.load(std::memory_order_relaxed))
              .thread == self.id);
      return absl::OkStatus();
    }
    const uint32_t owner = FsyncMark::Unpack(other).thread;
    if (looks % kLooks == 0) repairer_.RepairIfDead(owner, self.id);
    if (deadline.passed()) {
      return absl::DeadlineExceededError(absl::StrCat(
          "sync file ", table_.PathOf(entry), ": an fsync of it is under way (",
          members_.Describe(owner), "); wait longer"));
    }
    os::Sleep(absl::Milliseconds(1));
  }
}

// REQUIRES: the caller owns the mark.
void FileSync::End(FileEntry& entry) {
  MPOOL_ASSERT(entry.fsync_mark.load(std::memory_order_relaxed) != 0);
  MPOOL_STEP("mpool.fsync.end");
  entry.fsync_mark.store(0, std::memory_order_seq_cst);
  MPOOL_STEP("mpool.fsync.ended");
}

// Makes every page dirty that the kernel may have lost. True if such a page is
// leaving the pool.
// no step below: a page that is dirty is only written once more.
bool FileSync::Redirty(uint32_t index) {
  MPOOL_ASSERT(index < kMaxFiles);
  bool leaves = false;
  frames_.ForEachHeader([&](BufferHeader& header) {
    State seen = header.Load();
    // A write under way may be lost already. WriteBack::End keeps DIRTY.
    while (seen.has(State::kUnsynced | State::kWriting) &&
           IsOf(header, index) && seen.phase() == Phase::kValid &&
           !header.Change(&seen, seen.Without(State::kUnsynced)
                                     .With(State::kDirty))) {
    }
    // An evictor counts its page before the frame is free (S5).
    leaves = leaves || (seen.has(State::kUnsynced) && IsOf(header, index) &&
                        (seen.phase() == Phase::kEvicting ||
                         seen.phase() == Phase::kLoading));
  });
  MPOOL_STEP("mpool.fsync.dirtied");
  return leaves;
}

// Records a failed fsync (S2).
// REQUIRES: the caller owns the mark, or repairs its dead owner. Not checkable:
// two repairers may clear the mark of one dead owner.
void FileSync::NoteFailure(uint32_t index, FileEntry& entry, int error) {
  MPOOL_ASSERT(&entry == table_.At(index) && error >= 0);
  // The flag is set before the pages are dirty, so that each writer of a page
  // first drops the kernel's copy.
  const uint64_t old = entry.sticky.fetch_or(StickyError::kSuspect);
  MPOOL_STEP("mpool.fsync.suspect");
  const bool leaves = Redirty(index);
  const StickyError before = StickyError::Unpack(old);
  const bool lost =
      before.lost || leaves ||
      entry.unsynced_evicted.load() > entry.evicted_covered.load();
  MPOOL_STEP("mpool.fsync.stick");
  entry.sticky.store(
      StickyError{.sequence = before.sequence + 1,
                  .told = false,
                  .lost = lost,
                  .error = static_cast<uint32_t>(error == 0 ? EIO : error)}
          .Pack(),
      std::memory_order_seq_cst);
  MPOOL_STEP("mpool.fsync.stuck");
}

// REQUIRES: the caller owns the mark.
absl::Status FileSync::Fsync(uint32_t index, FileEntry& entry,
                             const SyncHandle& handle) {
  MPOOL_ASSERT(&entry == table_.At(index) && handle.file != nullptr);
  MPOOL_ASSERT(entry.fsync_mark.load(std::memory_order_relaxed) != 0);
  const uint64_t over = entry.seen_count.load(std::memory_order_acquire);
  const uint64_t writes = entry.write_count.load(std::memory_order_acquire);
  const uint64_t evicted = entry.unsynced_evicted.load();
  // Only pages that are unchanged after the fsync were covered by it.
  std::vector<std::pair<BufferHeader*, uint64_t>> covered;
  frames_.ForEachHeader([&](BufferHeader& header) {
    const State s = header.Load();
    if (s.has(State::kUnsynced) && IsOf(header, index)) {
      covered.emplace_back(&header, s.bits);
    }
  });
  MPOOL_STEP("mpool.sync.fsync");
  const absl::Status status = handle.file->Sync();
  MPOOL_STEP("mpool.sync.fsynced");
  if (!status.ok()) {
    const int error = os::StatusErrno(status);
    if (error == EINTR) {
      // The interrupted fsync may have consumed an error, so the pages are
      // written again.
      Redirty(index);
      return absl::Status(absl::StatusCode::kUnavailable,
                          absl::StrCat("sync file ", table_.PathOf(entry),
                                       ": ", status.message(),
                                       "; call Sync again"));
    }
    NoteFailure(index, entry, error);
    handles_.NoteSynced(index, handle);
    return absl::DataLossError(absl::StrCat(
        "sync file ", table_.PathOf(entry), ": ", status.ToString()));
  }
  for (const auto& [header, bits] : covered) {
    State seen{bits};
    // no step: a page that is UNSYNCED for too long is only synced once more.
    header->Change(&seen, seen.Without(State::kUnsynced));
  }
  RaiseTo(&entry.evicted_covered, evicted);
  // Equal counts, read in this order, mean that every write has ended.
  if (over == writes) RaiseTo(&entry.synced_count, writes);
  MPOOL_STEP("mpool.fsync.covered");
  FileWatch::LookAgain(entry, *handle.file);
  handles_.NoteSynced(index, handle);
  return SyncName(entry, *handle.file);
}

// Makes the name of the file durable. The directory is that of the file's name
// now, because the file may have been renamed.
// REQUIRES: the caller owns the mark.
absl::Status FileSync::SyncName(FileEntry& entry, const os::File& file) {
  MPOOL_ASSERT(entry.fsync_mark.load(std::memory_order_relaxed) != 0);
  if (!HasNewName(entry)) return absl::OkStatus();
  const absl::Status status =
      os::SyncDirectoryOf(file, table_.PathOf(entry));
  if (!status.ok()) {
    return absl::Status(
        status.code(),
        absl::StrCat("sync file ", table_.PathOf(entry),
                     ": its pages are on disk, and its name is not: ",
                     status.message(), "; call Sync again"));
  }
  MPOOL_STEP("mpool.sync.name");
  entry.name_unsynced.store(0, std::memory_order_release);
  MPOOL_STEP("mpool.sync.named");
  return absl::OkStatus();
}

// Returns `why`, the error of the open for an fsync. A file that was removed or
// renamed and has no unsynced write needs no fsync of its old name. The entry
// then forgets the name, and the result is Ok.
absl::Status FileSync::GiveUpName(const region::Thread& self, FileEntry& entry,
                                  uint32_t generation, const absl::Status& why,
                                  const os::Deadline& deadline) {
  MPOOL_ASSERT(!why.ok());
  const bool has_lost_name =
      absl::IsNotFound(why) || absl::IsFailedPrecondition(why);
  if (!has_lost_name || !IsCovered(entry) || HasError(entry.sticky.load())) {
    return why;
  }
  MPOOL_RETURN_IF_ERROR(Begin(self, entry, deadline));
  const bool is_covered = IsCovered(entry);
  if (GenerationOf(entry) == generation && is_covered) {
    // no step: a death before End leaves a mark, whose repair changes nothing.
    entry.name_unsynced.store(0, std::memory_order_release);
  }
  End(entry);
  return is_covered ? absl::OkStatus() : why;
}

// Returns the sticky error and marks it as reported.
// no step below: an error may be reported twice.
absl::Status FileSync::DescribeError(FileEntry& entry) const {
  uint64_t word = entry.sticky.load();
  StickyError error = StickyError::Unpack(word);
  while (error.error != 0 && !error.told) {
    error.told = true;
    if (entry.sticky.compare_exchange_weak(word, error.Pack())) break;
    error = StickyError::Unpack(word);
  }
  const uint64_t gone =
      entry.unsynced_evicted.load() - entry.evicted_covered.load();
  return absl::DataLossError(absl::StrCat(
      "sync file ", table_.PathOf(entry), ": an earlier fsync failed (",
      strerror(static_cast<int>(error.error)), "), or its process died in it; ",
      error.lost
          ? absl::StrCat(gone, " pages had left the pool by then, and the "
                         "disk may have older bytes of them: check the file, "
                         "restore it if need be, and discard the error with "
                         "DbEnv::Forget or 'mpool forget'")
          : "its pages are dirty again: a Sync that writes them clears this"));
}

// S3. Keeps an error, or a mark of NoteSuspect, that is newer than `seen`.
void FileSync::Clear(FileEntry& entry, uint64_t seen) {
  const StickyError error = StickyError::Unpack(seen);
  const uint64_t cleared = StickyError{.sequence = error.sequence}.Pack();
  if (error.lost || seen == cleared) return;
  uint64_t word = entry.sticky.load();
  while (IsSameError(word, seen) &&
         !entry.sticky.compare_exchange_weak(word, cleared)) {
  }
  MPOOL_STEP("mpool.fsync.cleared");
}

absl::Status FileSync::MakeDurable(const region::Thread& self, uint32_t index,
                                   uint64_t before, Written written,
                                   const os::Deadline& deadline) {
  MPOOL_ASSERT(index < kMaxFiles && self.id != 0);
  FileEntry& entry = *table_.At(index);
  if (IsSynced(entry)) return absl::OkStatus();
  if (StickyError::Unpack(entry.sticky.load()).lost) {
    return DescribeError(entry);
  }
  const uint32_t generation = GenerationOf(entry);
  const absl::StatusOr<SyncHandle> handle = ForSync(self, index, deadline);
  if (!handle.ok()) {
    return GiveUpName(self, entry, generation, handle.status(), deadline);
  }
  MPOOL_RETURN_IF_ERROR(Begin(self, entry, deadline));
  const uint64_t now = entry.sticky.load();
  // If another file has the entry now, the old file was synced before (E4).
  if (GenerationOf(entry) != generation || IsSynced(entry)) {
    End(entry);
    return absl::OkStatus();
  }
  // A new failure or death made pages dirty that this Sync has not written.
  if (!IsSameError(now, before)) {
    End(entry);
    if (HasError(now)) return DescribeError(entry);
    return absl::UnavailableError(absl::StrCat(
        "sync file ", table_.PathOf(entry), ": a process died that had written "
        "pages of it, which have to be written again; call Sync again"));
  }
  absl::Status status = Fsync(index, entry, *handle);
  if (status.ok()) {
    // S4: after this report the next Sync is Ok.
    const bool is_all = written == Written::kAll;
    if (HasError(now) && (!StickyError::Unpack(now).told || !is_all)) {
      status = DescribeError(entry);
    }
    if (is_all) Clear(entry, now);
  } else if (absl::IsDataLoss(status)) {
    DescribeError(entry).IgnoreError();
  }
  End(entry);
  return status;
}

absl::Status FileSync::SyncUntold(const region::Thread& self,
                                  uint32_t index) {
  MPOOL_ASSERT(index < kMaxFiles && self.id != 0);
  FileEntry& entry = *table_.At(index);
  const uint32_t generation = GenerationOf(entry);
  const os::Deadline at_once(absl::ZeroDuration());
  const absl::StatusOr<SyncHandle> handle = ForSync(self, index, at_once);
  if (!handle.ok()) {
    return GiveUpName(self, entry, generation, handle.status(), at_once);
  }
  MPOOL_RETURN_IF_ERROR(Begin(self, entry, at_once));
  absl::Status status;
  if (GenerationOf(entry) == generation) status = Fsync(index, entry, *handle);
  End(entry);
  return status;
}

// Kept descriptors of other files must not be the reason of a failure.
// A new descriptor hears of no write that the kernel forgot before. From its
// open on the kernel forgets nothing, so that a repair after it finds every
// process whose writes may be forgotten (S6).
absl::StatusOr<SyncHandle> FileSync::ForSync(const region::Thread& self,
                                             uint32_t index,
                                             const os::Deadline& deadline) {
  MPOOL_ASSERT(index < kMaxFiles && self.id != 0);
  absl::StatusOr<SyncHandle> handle = handles_.ForSync(index);
  if (os::IsOutOfDescriptors(handle.status())) {
    TrimKept(self, 0).IgnoreError();
    handle = handles_.ForSync(index);
  }
  if (handle.ok()) {
    MPOOL_RETURN_IF_ERROR(RepairAfterOpen(self, index, *handle, deadline));
  }
  return handle;
}

absl::Status FileSync::RepairAfterOpen(const region::Thread& self,
                                       uint32_t index,
                                       const SyncHandle& handle,
                                       const os::Deadline& deadline) {
  MPOOL_ASSERT(handle.file != nullptr);
  if (!handle.is_new) return absl::OkStatus();
  if (!repairer_.RepairAndWait(self, deadline.Left(kAnothersRepair))) {
    return absl::DeadlineExceededError(absl::StrCat(
        "sync file ", table_.PathOf(*table_.At(index)), ": another process has "
        "not finished the repair of a dead one; call Sync again"));
  }
  handles_.NoteRepaired(index, handle);
  return absl::OkStatus();
}

absl::Status FileSync::SyncKept(const region::Thread& self,
                                const FileHandles::Kept& kept,
                                absl::Duration wait) {
  MPOOL_ASSERT(kept.handle.file != nullptr);
  MPOOL_ASSERT(kept.index <= kMaxFiles);
  if (!kept.needs_sync) return absl::OkStatus();
  // Another file has the entry since a good fsync by another process.
  if (kept.index == kMaxFiles) return kept.handle.file->Sync();
  const os::Deadline deadline(wait);
  MPOOL_RETURN_IF_ERROR(
      RepairAfterOpen(self, kept.index, kept.handle, deadline));
  FileEntry& entry = *table_.At(kept.index);
  MPOOL_RETURN_IF_ERROR(Begin(self, entry, deadline));
  const absl::Status status = GenerationOf(entry) == kept.generation
                                  ? Fsync(kept.index, entry, kept.handle)
                                  : kept.handle.file->Sync();
  End(entry);
  return status;
}

absl::Status FileSync::TrimKept(const region::Thread& self, size_t most,
                                absl::Duration wait) {
  MPOOL_ASSERT(self.id != 0);
  absl::Status result;
  // The bound ends the loop after one round, so that kept descriptors are not
  // taken twice.
  for (size_t left = handles_.kept_count(); left > 0; --left) {
    const std::optional<FileHandles::Kept> kept = handles_.TakeKept(most);
    if (!kept.has_value()) break;
    const absl::Status status = SyncKept(self, *kept, wait);
    // A failure that is in the entry has made the pages dirty again.
    const bool is_known = status.ok() || absl::IsDataLoss(status);
    if (is_known) {
      handles_.ReleaseKept(*kept);
    } else {
      handles_.KeepOn(*kept);
    }
    if (wait != absl::ZeroDuration() || !absl::IsDeadlineExceeded(status)) {
      result.Update(status);
    }
  }
  return result;
}

template <class IsDead>
void FileSync::FailSyncsOf(IsDead&& is_dead) {
  table_.ForEach([&](uint32_t index, FileEntry& entry, FileWord) {
    MPOOL_ASSERT(index < kMaxFiles && &entry == table_.At(index));
    uint64_t mark = entry.fsync_mark.load(std::memory_order_seq_cst);
    const FsyncMark dead = FsyncMark::Unpack(mark);
    if (mark == 0 || !is_dead(dead.thread)) return;
    if (!dead.frees) NoteFailure(index, entry, EIO);
    MPOOL_STEP("mpool.repair.fsync");
    entry.fsync_mark.compare_exchange_strong(mark, 0,
                                             std::memory_order_seq_cst);
    MPOOL_STEP("mpool.repair.unmarked");
  });
  RedirtyUnsynced();
}

void FileSync::Repair(const region::RepairPass& pass) {
  FailSyncsOf([&](uint32_t thread) { return pass.IsDead(thread); });
}

void FileSync::FailAll() {
  FailSyncsOf([](uint32_t) { return true; });
}

// S6. Before the pages are dirty, as in NoteFailure. The new sequence keeps a
// Sync that wrote its pages before from clearing the mark.
void FileSync::NoteSuspect(FileEntry& entry) {
  uint64_t word = entry.sticky.load();
  uint64_t suspect = 0;
  do {
    StickyError error = StickyError::Unpack(word);
    ++error.sequence;
    suspect = error.Pack() | StickyError::kSuspect;
  } while (!entry.sticky.compare_exchange_weak(word, suspect));
  MPOOL_STEP("mpool.repair.suspect");
}

void FileSync::RedirtyUnsynced() {
  std::vector<bool> suspect(kMaxFiles);
  bool any = false;
  table_.ForEach([&](uint32_t index, FileEntry& entry, FileWord) {
    if (IsCovered(entry)) return;
    MPOOL_ASSERT(index < suspect.size());
    NoteSuspect(entry);
    suspect[index] = true;
    any = true;
  });
  if (!any) return;
  frames_.ForEachHeader([&](BufferHeader& header) {
    State seen = header.Load();
    while (seen.has(State::kUnsynced) && seen.phase() == Phase::kValid &&
           suspect[header.LoadKey().file_index() % kMaxFiles] &&
           // no step: a page that is dirty is only written once more.
           !header.Change(&seen, seen.Without(State::kUnsynced)
                                     .With(State::kDirty))) {
    }
  });
  MPOOL_STEP("mpool.repair.redirtied");
  // A Sync may have read the first number before the pages were dirty.
  table_.ForEach([&](uint32_t index, FileEntry& entry, FileWord) {
    if (suspect[index]) NoteSuspect(entry);
  });
}

}  // namespace mpool::internal
