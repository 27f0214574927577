// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// file_handles.h - this process's descriptors of page files: the descriptors of
// its handles, and the descriptors that it keeps to write back and to sync.
//
// Role:        opens files to write and to sync them, claims files for this
//              environment (os/claims.h), keeps and gives up descriptors, and
//              cleans up after a fork. FileOpener adds and removes handles.
// Concurrency: mutex() guards all of it. An open and a close of a handle
//              acquire the files latch before it. Functions that take a Lock
//              need it locked.
// Invariants:  H1 a descriptor through which this process wrote is closed only
//              after a good fsync through it, or once the fsync's failure is in
//              the entry.
//              H2 while a process has a file open, it closes no descriptor of
//              the file, because a close would drop the program's record locks.
//              H3 the descriptors of an entry are of one generation of it.
// Crash:       the descriptors and claims of a dead process are gone. See
//              file_sync.h S6.

#ifndef MPOOL_MPOOL_FILES_FILE_HANDLES_H_
#define MPOOL_MPOOL_FILES_FILE_HANDLES_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "mpool/files/file_claim.h"
#include "mpool/files/file_entry.h"
#include "mpool/files/open_inodes.h"
#include "os/assert.h"
#include "os/claims.h"
#include "os/file.h"
#include "os/mutex.h"
#include "os/node.h"
#include "region/generation.h"
#include "region/home_files.h"
#include "region/memory.h"

namespace mpool::internal {

class FileTable;

// A descriptor of a page file. `written` is Local::written when the descriptor
// was handed out.
struct SyncHandle {
  std::shared_ptr<os::File> file;
  uint64_t written = 0;
  bool is_new = false;  // no repair has followed its open; see NoteRepaired
};

class FileHandles {
 public:
  FileHandles(const region::Memory& memory,
              const region::HomeFiles& home_files,
              const region::Generation& generation, FileTable& table)
      : memory_(memory),
        home_files_(home_files),
        generation_(generation),
        table_(table) {}
  ~FileHandles();

  using Lock = os::MutexLock;
  // Locked during a fork, so that the child finds the descriptors consistent.
  os::Mutex& mutex() { return mutex_; }

  // Returns an open descriptor of the file in this process that can serve
  // another handle, or null.
  std::shared_ptr<os::File> FindOpen(const os::FileIdentity& identity,
                                     FileAccess access);
  // Returns the number of handles that this process has open.
  uint32_t open_handles() const;
  uint32_t LocalHandles(uint32_t index) const;

  // The steps of an open and a close.
  // REQUIRES: the files latch, except in Claim (not checkable: the calling
  // thread is not known here).

  // Claims the file for this environment; see FileClaim::Take.
  absl::Status Claim(const Lock& lock, FileClaim& claim,
                     const os::FileIdentity& identity, const std::string& path,
                     FileAccess access);
  // Adds a handle of the claimed file.
  void Add(const Lock& lock, const OpenRequest& request, uint32_t index,
           FileClaim claimed);
  // Removes a handle if others stay. False if it is this process's last.
  bool RemoveExtra(const Lock& lock, uint32_t index);
  // Removes the last handle. A descriptor with writes that no fsync covered is
  // kept.
  void RemoveLast(const Lock& lock, uint32_t index);

  // Releases a handle that a forked child inherited and never used. Returns
  // false if the child has attached or is attaching.
  bool Forget(const OpenedFile& file);
  // Releases the parent's claims in a forked child that is not attached, and
  // skips fds that the program closed. Returns FailedPrecondition if a handle
  // has lost its fd.
  absl::Status ForgetLost();
  // Leaves the claims to the parent. Called in a forked child.
  // REQUIRES: mutex(). Not checkable: a mutex names no owner.
  void LeaveClaimsToParent() MPOOL_REQUIRES(mutex_) {
    claims_.LeaveToParent();
  }
  // Keeps only the parent's handles in a forked child. Returns
  // FailedPrecondition if another file has an entry of them.
  absl::Status KeepHandles(const Lock& lock);
  // Returns the entries of which this process has handles.
  std::vector<uint32_t> Indexes(const Lock& lock) const;
  std::shared_ptr<os::File> FirstFile(const Lock& lock, uint32_t index) const;
  // Claims the file of an inherited handle for this process, like Claim.
  absl::Status ClaimInChild(const Lock& lock, uint32_t index,
                            const std::string& path);
  void DropClaims(const Lock& lock);
  // True if this process has a descriptor with writes that no fsync covered.
  bool HasUnsynced() const;
  // Closes all descriptors when the process leaves.
  void CloseAll();

  // Returns the file for one write. Opens the file by its path if this process
  // has not opened it, compares the identity, and claims the file. EndWriting
  // must follow.
  absl::StatusOr<std::shared_ptr<os::File>> BeginWriting(uint32_t index);
  void EndWriting(uint32_t index);
  // Returns the file for an fsync: the descriptor through which this process
  // wrote, if there is one.
  absl::StatusOr<SyncHandle> ForSync(uint32_t index);
  // Records that all dead processes were repaired after the handle's open.
  void NoteRepaired(uint32_t index, const SyncHandle& handle);
  // Records that an fsync through the handle succeeded, or that its failure is
  // in the entry.
  void NoteSynced(uint32_t index, const SyncHandle& handle);

  // Descriptors that this process keeps of files that it does not have open.
  // The process wrote through them, or may soon write for other processes.
  static constexpr size_t kMostKept = 32;
  struct Kept {
    uint32_t index = 0;  // kMaxFiles: another file has the entry
    uint32_t generation = 0;
    SyncHandle handle;
    bool needs_sync = false;
  };
  // Returns a descriptor to sync and close: a retired one, the least recently
  // used if more than `most` are kept, or one of a removed file. A kept
  // descriptor is not handed out again until ReleaseKept or KeepOn.
  std::optional<Kept> TakeKept(size_t most);
  // Closes the descriptor, unless this process has written through it since.
  void ReleaseKept(const Kept& kept) { Return(kept, Fate::kClose); }
  // Keeps the descriptor, as the most recently used.
  void KeepOn(const Kept& kept) { Return(kept, Fate::kKeep); }
  size_t kept_count() const;
  // True once after a descriptor was added to the kept ones.
  // no step: of this process alone.
  bool HasNewKept() { return has_new_kept_.exchange(false); }

 private:
  struct Local {
    uint32_t generation = 0;
    uint32_t handles = 0;
    os::FileIdentity identity;
    OpenInodes::Handle open;  // while `handles` is not 0
    // All descriptors that were opened since the first handle. They stay open
    // until the last handle is closed (H2).
    std::vector<std::shared_ptr<os::File>> files;
    std::shared_ptr<os::File> writable;  // in `files`, or kept
    // Raised before and after each write through `writable`. The outcome of
    // writes up to `synced` is known.
    uint64_t written = 0;
    uint64_t synced = 0;
    uint32_t writing = 0;   // writes under way
    uint64_t last_use = 0;  // of a kept descriptor
    bool is_taken = false;  // by TakeKept
    bool is_new = false;    // `writable`, as in SyncHandle
    FileClaim claim;

    bool IsUnsynced() const {
      return writable != nullptr && written != synced;
    }
  };
  enum class Fate { kClose, kKeep };

  void AssertLocked(const Lock& lock) const MPOOL_ASSERT_CAPABILITY(mutex_) {
    MPOOL_ASSERT(lock.Holds(mutex_));
  }
  Local& LocalOf(const Lock& lock, uint32_t index, uint32_t generation);
  void Retire(const Lock& lock, Local& local);
  void Return(const Kept& kept, Fate fate);
  std::vector<uint32_t> KeptByAge(const Lock& lock) const;
  absl::Status ForgetLostLocked(const Lock& lock);
  absl::StatusOr<os::Node> FindNode(const FileEntry& entry,
                                    std::string_view what) const;
  absl::StatusOr<std::shared_ptr<os::File>> OpenAgain(const Lock& lock,
                                                      const FileEntry& entry);
  absl::Status OpenForWriting(const Lock& lock, FileEntry& entry,
                              FileWord word, Local& local);

  const region::Memory& memory_;
  const region::HomeFiles& home_files_;
  const region::Generation& generation_;
  FileTable& table_;
  mutable os::Mutex mutex_;
  os::FileClaims claims_ MPOOL_GUARDED_BY(mutex_);
  std::unordered_map<uint32_t, Local> local_ MPOOL_GUARDED_BY(mutex_);
  // Descriptors that this process wrote through, of entries that other
  // processes have reused for other files.
  std::vector<std::shared_ptr<os::File>> retired_ MPOOL_GUARDED_BY(mutex_);
  uint64_t uses_ MPOOL_GUARDED_BY(mutex_) = 0;
  std::atomic<bool> has_new_kept_ = false;
};

}  // namespace mpool::internal

#endif  // MPOOL_MPOOL_FILES_FILE_HANDLES_H_
