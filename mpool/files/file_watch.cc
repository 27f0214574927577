// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "mpool/files/file_watch.h"

#include "absl/strings/str_cat.h"
#include "os/assert.h"
#include "os/clock.h"
#include "os/stamp.h"
#include "os/status.h"
#include "os/step.h"

namespace mpool::internal {

// Because the counts are read in this order, the seen times and the file's
// times are of one moment if no write began before the second read of the
// counts.
absl::StatusOr<FileLook> FileWatch::Look(const FileEntry& entry,
                                         const os::File& file) {
  const uint64_t over = entry.seen_count.load(std::memory_order_acquire);
  const Seen seen(entry);
  MPOOL_ASSIGN_OR_RETURN(const os::FileInfo info, file.Info());
  const bool quiet = entry.write_count.load(std::memory_order_acquire) == over;
  return FileLook{seen, info, quiet};
}

// no step: a count that is too low only makes clean pages be read again.
void FileWatch::LookAgain(FileEntry& entry, const os::File& file) {
  const absl::StatusOr<FileLook> look = Look(entry, file);
  if (!look.ok() || !look->quiet || look->seen.is_unknown() ||
      look->seen.Differs(look->info) ||
      IsSettledNow(entry, look->info) == Settled::kNo) {
    return;
  }
  RaiseTo(&entry.settled_count, look->seen.count + 1);
}

void FileWatch::SetSeen(FileEntry& entry, const os::FileInfo& info,
                        Settled settled) {
  entry.seen_size.store(info.size_bytes, std::memory_order_relaxed);
  entry.seen_mtime_ns.store(info.mtime_ns, std::memory_order_relaxed);
  entry.seen_ctime_ns.store(info.ctime_ns, std::memory_order_relaxed);
  entry.settled_count.store(
      settled == Settled::kYes ? entry.write_count.load() + 1 : 0,
      std::memory_order_relaxed);
}

Settled FileWatch::IsSettledNow(const FileEntry& entry,
                                const os::FileInfo& info) {
  return os::IsSettled(info, entry.has_fine_stamps.load() != 0) ? Settled::kYes
                                                                : Settled::kNo;
}

// no step below: its callers pass steps, or repeat it.
void FileWatch::Forget(FileEntry& entry) { entry.seen_mtime_ns.store(0); }

// Raises the count, then reads the cutter. PageIo stores the cutter, then reads
// the counts (all seq_cst). So a cutter sees each write that began before it,
// and each later write waits for it.
void FileWatch::BeginWrite(const region::Thread& self, FileEntry& entry) {
  MPOOL_ASSERT(self.id != 0);
  MPOOL_STEP("mpool.write.announce");
  entry.write_count.fetch_add(1, std::memory_order_seq_cst);
  MPOOL_STEP("mpool.write.announced");
  while (const uint32_t cutter = entry.cutter.load(std::memory_order_seq_cst)) {
    MPOOL_ASSERT(cutter != self.id);
    repairer_.RepairIfDead(cutter, self.id);
    os::Sleep(absl::Milliseconds(1));
  }
}

// A lone writer stores the times that it reads, because clocks may go back.
// Concurrent writers pass here in any order and only raise the times. A writer
// that stored times while another write began reads them again.
// no step below: until the count is raised, the seen times prove nothing.
void FileWatch::EndWrite(FileEntry& entry, const os::File& file,
                         uint64_t pages) {
  MPOOL_ASSERT(file.is_open());
  MPOOL_ASSERT(entry.write_count.load(std::memory_order_relaxed) != 0);
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
    if (begun == over + 1 && IsSettledNow(entry, *info) == Settled::kYes) {
      RaiseTo(&entry.settled_count, begun + 1);
    }
  } while (entry.write_count.load(std::memory_order_seq_cst) != begun);
  MPOOL_STEP("mpool.write.see");
  entry.seen_count.fetch_add(1, std::memory_order_acq_rel);
  MPOOL_STEP("mpool.write.seen");
}

bool FileWatch::IsAlone(const FileEntry& entry, uint64_t own_writes) {
  MPOOL_ASSERT(own_writes <= 1);
  const uint64_t over = entry.seen_count.load(std::memory_order_seq_cst);
  return entry.write_count.load(std::memory_order_seq_cst) ==
         over + own_writes;
}

absl::Status FileWatch::ChangedWhileClosed(const std::string& path) {
  return absl::FailedPreconditionError(absl::StrCat(
      "write back pages of ", path, ": it was changed by others while no "
      "process had it open; put the old file back, or give the pages up with "
      "DbEnv::Forget or 'mpool forget'"));
}

absl::Status FileWatch::ChangedUnderPages(const std::string& path,
                                          const absl::Status& dropped) {
  MPOOL_ASSERT(!dropped.ok());
  return absl::FailedPreconditionError(absl::StrCat(
      "open file ", path, ": it was changed by others while the "
      "environment holds unwritten pages of it (", dropped.ToString(),
      "); put the old file back, or give them up with "
      "DbEnv::Forget or 'mpool forget'"));
}

}  // namespace mpool::internal
