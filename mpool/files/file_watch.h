// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// file_watch.h - how the pool notices that another program changed a file.
//
// Role:        compares the file's size and times with those that the pool saw
//              after its own last write, and keeps the seen_ words of the
//              entry. Reports the errors of changed files.
// Concurrency: any number of threads write a file at once. Each raises
//              write_count before its write, and seen_count after the stat that
//              follows the write.
// Invariants:  W1 equal counts, read seen_count first, mean that no write is
//              under way. Only then do the seen words describe the whole file.
//              W2 seen_mtime_ns 0 means that a writer died, so that the times
//              are unknown.
//              W3 seen_size is lowered only by a cut of the pool itself.
// Crash:       a dead writer leaves the counts unequal.
//              FileTable::EndWritesOfDead makes them equal and the times
//              unknown.

#ifndef MPOOL_MPOOL_FILES_FILE_WATCH_H_
#define MPOOL_MPOOL_FILES_FILE_WATCH_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "mpool/files/file_entry.h"
#include "os/file.h"
#include "region/repair.h"

namespace mpool::internal {

// The state of a file when the pool last read it.
struct Seen {
  uint64_t size_bytes;
  uint64_t mtime_ns;
  uint64_t ctime_ns;
  uint64_t count;  // write_count then, unless a write is under way
  bool is_settled;
  explicit Seen(const FileEntry& entry)
      : size_bytes(entry.seen_size.load(std::memory_order_acquire)),
        mtime_ns(entry.seen_mtime_ns.load(std::memory_order_relaxed)),
        ctime_ns(entry.seen_ctime_ns.load(std::memory_order_relaxed)),
        count(entry.seen_count.load(std::memory_order_acquire)),
        is_settled(entry.settled_count.load(std::memory_order_relaxed) ==
                   count + 1) {}

  // True if a process died during a write, so that the file's state is unknown.
  bool is_unknown() const { return mtime_ns == 0; }
  bool BytesDiffer(const os::FileInfo& info) const {
    return size_bytes != info.size_bytes || mtime_ns != info.mtime_ns;
  }
  // A rename, a link or a chmod changes only the ctime.
  bool Differs(const os::FileInfo& info) const {
    return BytesDiffer(info) || ctime_ns != info.ctime_ns;
  }
};

// A file's state now, and its state when the pool last read it.
struct FileLook {
  Seen seen;
  os::FileInfo info;
  bool quiet;  // no write was under way between the two

  bool IsChangedByOthers() const {
    return quiet && !seen.is_unknown() && seen.BytesDiffer(info);
  }
};

// True if `info` proves that no write can follow with the same times.
enum class Settled : bool { kNo, kYes };

class FileWatch {
 public:
  explicit FileWatch(region::Repairer& repairer) : repairer_(repairer) {}

  // Compares the file with the entry. Returns the errors of fstat.
  static absl::StatusOr<FileLook> Look(const FileEntry& entry,
                                       const os::File& file);
  // Reads the file's times again, because older times prove more. See
  // os/stamp.h.
  static void LookAgain(FileEntry& entry, const os::File& file);

  // Stores the file's state. `settled` refers to the current write_count.
  static void SetSeen(FileEntry& entry, const os::FileInfo& info,
                      Settled settled);
  static Settled IsSettledNow(const FileEntry& entry, const os::FileInfo& info);
  // Stores that the times are unknown.
  static void Forget(FileEntry& entry);

  // Announces a write, and waits while a thread cuts a partial page off.
  // EndWrite must follow.
  void BeginWrite(const region::Thread& self, FileEntry& entry);
  // Ends the write of `pages` and stores the file's new state.
  // REQUIRES: after BeginWrite of this thread.
  void EndWrite(FileEntry& entry, const os::File& file, uint64_t pages);
  // True if the caller's announced write is the only one. With `own_writes` 0,
  // true if no write is under way.
  static bool IsAlone(const FileEntry& entry, uint64_t own_writes);

  // The errors of a file that others changed. `dropped` is the reason for which
  // its pages stay in the pool.
  static absl::Status ChangedWhileClosed(const std::string& path);
  static absl::Status ChangedUnderPages(const std::string& path,
                                        const absl::Status& dropped);

 private:
  region::Repairer& repairer_;
};

}  // namespace mpool::internal

#endif  // MPOOL_MPOOL_FILES_FILE_WATCH_H_
