// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// file_table.h - the table of page files, shared by all processes.
//
// Role:        finds, claims, fills, opens, closes and frees the entries
//              (file_entry.h). The steps of an open are in FileOpener.
// Concurrency: an entry's word, identity, path and page size change under the
//              files latch. Any thread reads them without it.
// Invariants:  E1 an entry is FREE, CLAIMED (being filled), OPEN or CLOSED.
//              E2 one bit per process slot, never a count, records that the
//              process has the file open.
//              E3 the entry's generation is part of the key of each of its
//              pages. The entry turns FREE only after a sweep found no frame of
//              it.
//              E4 an entry is reused for another file only after a good fsync
//              covered all its writes.
// Crash:       an entry CLAIMED by a dead owner turns FREE. A dead process's
//              open bits are cleared. An fsync that was under way counts as
//              failed (file_sync.h).
// Lock rank:   kFiles. The heap latch may be acquired under it, and I/O is done
//              under it.

#ifndef MPOOL_MPOOL_FILES_FILE_TABLE_H_
#define MPOOL_MPOOL_FILES_FILE_TABLE_H_

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "mpool/files/file_entries.h"
#include "mpool/files/file_entry.h"
#include "mpool/files/file_watch.h"
#include "mpool/memory/frame_table.h"
#include "os/assert.h"
#include "os/file.h"
#include "os/file_handle.h"
#include "region/home_files.h"
#include "region/memory.h"
#include "region/repair.h"
#include "region/repair_pass.h"

namespace mpool::internal {

class PageIo;

class FileTable : public FileEntries {
 public:
  FileTable(region::Memory& memory, const region::HomeFiles& home_files,
            region::Repairer& repairer, FrameTable& frames);
  ~FileTable();

  // Other parts of this folder, which the table owns and does not call.
  FileWatch& watch() { return watch_; }
  PageIo& page_io() { return *page_io_; }

  // True if the entry belongs to the file with this identity.
  bool IsFile(const FileEntry& entry, const os::FileIdentity& identity) const;
  // Returns the mark of an fsync by this thread.
  FsyncMark MarkOf(const region::Thread& self) const;
  // Records that the page of `key` left the pool with these bits.
  void NoteDropped(PageKey key, State bits);

  // The latch that guards the entries' words.
  region::RankedLatch<region::LockRank::kFiles>& latch() const {
    return frames_.pool().files_latch;
  }
  void AssertLatched(const region::Thread& self) const {
    MPOOL_ASSERT(latch().owner() == self.id);
  }

  // The steps of an open and a close.
  // REQUIRES: the files latch.

  // Evicts the clean pages of a closed entry. It fails with an error that names
  // the file if a page is dirty.
  using Drop = std::function<absl::Status(uint32_t index)>;
  // Returns the entry that the file has, if it has one.
  std::optional<uint32_t> Find(const region::Thread& self,
                               const OpenRequest& request,
                               const os::FileIdentity& identity) const;
  // Returns a FREE entry that is now CLAIMED by this process. Frees the entry
  // of a closed file with `drop` if all are in use. Returns ResourceExhausted
  // if no entry can be freed.
  absl::StatusOr<uint32_t> ClaimFree(const region::Thread& self,
                                     const Drop& drop);
  // Gives up the pages of a file with `drop`. kGone: frees the entry too, and
  // the writes of the file count as synced. Returns FailedPrecondition if a
  // process has the file open, Unavailable if its fsync is under way, and the
  // errors of `drop`.
  enum class Fate { kGone, kStays };
  absl::Status Forget(const region::Thread& self, uint32_t index, Fate fate,
                      const Drop& drop);
  // Fills the CLAIMED entry. Returns the errors of the heap.
  absl::Status Fill(const region::Thread& self, FileEntry& entry,
                    const OpenRequest& request, const os::FileInfo& info);
  // Frees an entry that could not be filled.
  void GiveUp(const region::Thread& self, FileEntry& entry);
  // Stores the identity and the path of a file that was found. Returns the
  // errors of the heap.
  static void SetIdentity(FileEntry& entry, const os::FileIdentity& identity);
  static void SetHandle(FileEntry& entry, const os::PackedHandle& handle);
  absl::Status SetPath(const region::Thread& self, FileEntry& entry,
                       const std::string& path);
  // Gives the entry another generation.
  void Renew(const region::Thread& self, FileEntry& entry);
  // Counts the open, sets this process's open bit and turns the entry OPEN.
  void SetOpen(const region::Thread& self, FileEntry& entry);
  // Clears this process's open bit.
  void ClearOpen(const region::Thread& self, FileEntry& entry);
  // Turns the entry CLOSED.
  void SetClosed(const region::Thread& self, FileEntry& entry);

  // Resets the entries of a region to which no other process is attached. See
  // Adoption::Run.
  void Adopt(region::Reachable* reached, RepairReport* report);
  // Frees the entries that dead processes claimed, and clears the open bits of
  // the dead process.
  void Repair(const region::RepairPass& pass);
  // Ends the writes of dead processes. Repair calls this once those processes
  // write no page any more.
  void EndWritesOfDead();

 private:
  bool TryFree(const region::Thread& self, uint32_t index, const Drop& drop);
  absl::Status EnsureBlock(const region::Thread& self, uint32_t block);
  void Claim(const region::Thread& self, FileEntry& entry);
  static void StoreWord(FileEntry& entry, FileWord from, FileWord to);
  static void SetState(FileEntry& entry, FileState state);

  region::Memory& memory_;
  const region::HomeFiles& home_files_;
  FrameTable& frames_;
  FileWatch watch_;
  std::unique_ptr<PageIo> page_io_;
};

}  // namespace mpool::internal

#endif  // MPOOL_MPOOL_FILES_FILE_TABLE_H_
