// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// files.h - the table of page files, shared by all processes.
//
// Concurrency: opening and closing acquire the files latch. The counters are
//              atomics that any thread raises.
// Invariants:  E1 an entry is FREE, CLAIMED (being filled), OPEN or CLOSED.
//              Only CLAIMED names an owner.
//              E2 one bit per process slot, never a count, records that the
//              process has the file open.
//              E3 the entry's generation is part of the key of each of its
//              pages. The entry turns FREE only after a sweep found no frame of
//              it.
//              E4 an entry is reused for another file only after a good fsync
//              covered all its writes.
//              E5 a descriptor through which this process wrote is closed only
//              after a good fsync through it, or once the fsync's failure is in
//              the entry.
//              E6 while a process has a file open, it closes no descriptor of
//              the file, because a close would drop the program's record locks.
// Crash:       an entry CLAIMED by a dead owner turns FREE. A dead process's
//              open bits are cleared. An fsync that was under way counts as
//              failed (file_sync.h).
// Lock rank:   kFiles. The heap latch may be acquired under it, and I/O is done
//              under it.

#ifndef MPOOL_MPOOL_FILES_FILES_H_
#define MPOOL_MPOOL_FILES_FILES_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "mpool/files/open_inodes.h"
#include "mpool/memory/frame_table.h"
#include "os/claims.h"
#include "os/file.h"
#include "os/node.h"
#include "region/region.h"

namespace mpool::internal {

enum class FileState : uint32_t {
  kFree = 0,
  kClaimed = 1,
  kOpen = 2,
  kClosed = 3,
};

// generation 32 | owner process 16 | state 8
struct FileWord {
  uint32_t generation = 0;
  uint32_t owner = 0;
  FileState state = FileState::kFree;
  static FileWord Unpack(uint64_t word) {
    return {static_cast<uint32_t>(word >> 32),
            static_cast<uint32_t>(word >> 8) & 0xffff,
            static_cast<FileState>(word & 0xff)};
  }
  uint64_t Pack() const {
    return uint64_t{generation} << 32 | uint64_t{owner & 0xffff} << 8 |
           static_cast<uint64_t>(state);
  }
};

// SHARED
struct alignas(kLineBytes) FileEntry {
  std::atomic<uint64_t> word;
  std::atomic<uint64_t> device;
  std::atomic<uint64_t> inode;
  std::atomic<uint64_t> birth_ns;
  std::atomic<uint64_t> inode_generation;
  std::atomic<uint64_t> page_count;
  std::atomic<uint64_t> path;  // offset of the absolute path, NUL-terminated
  std::atomic<uint32_t> page_bytes;
  std::atomic<uint32_t> lsn_place;  // offset of a page's LSN plus 1, or 0
  std::atomic<uint64_t> open_bits[kMaxProcesses / 64];
  // write_count is raised before a write, seen_count after the stat that
  // follows the write.
  std::atomic<uint64_t> write_count;
  std::atomic<uint64_t> seen_count;
  std::atomic<uint64_t> seen_size;
  std::atomic<uint64_t> seen_mtime_ns;  // 0: a write's end is unknown
  std::atomic<uint64_t> seen_ctime_ns;
  // write_count + 1 at which the seen times proved that no other program has
  // written since. See os/stamp.h.
  std::atomic<uint64_t> settled_count;
  std::atomic<uint64_t> synced_count;  // write_count covered by an fsync
  std::atomic<uint64_t> pages_read;
  std::atomic<uint64_t> pages_written;
  std::atomic<uint64_t> fsync_mark;  // FsyncMark
  std::atomic<uint64_t> sticky;      // StickyError
  // The number of pages that left the pool UNSYNCED, and how many of them a
  // good fsync covered. Neither is lowered while the file has the entry.
  std::atomic<uint64_t> unsynced_evicted;
  std::atomic<uint64_t> evicted_covered;
  std::atomic<uint64_t> opens;  // number of opens of the file
  // The thread that truncates a partial page at the end of the file, or 0.
  std::atomic<uint32_t> cutter;
  std::atomic<uint32_t> has_fine_stamps;
  uint64_t pad1[4];
};
static_assert(sizeof(FileEntry) == 256);

// The fsync under way: process generation 32 | frees 1 | thread 31. A file has
// at most one, so that its outcome is known before the next fsync begins.
// `frees`: no fsync is under way. The thread is freeing the entry of a synced
// file.
struct FsyncMark {
  uint32_t generation = 0;
  uint32_t thread = 0;
  bool frees = false;
  static FsyncMark Unpack(uint64_t word) {
    return {static_cast<uint32_t>(word >> 32),
            static_cast<uint32_t>(word & 0x7fffffff), (word >> 31 & 1) != 0};
  }
  uint64_t Pack() const {
    return uint64_t{generation} << 32 | uint64_t{frees} << 31 | thread;
  }
};

// The outcome of a failed fsync: sequence 32 | 13 spare | suspect | told | lost
// | errno 16. errno 0 = none. Suspect: the failure is being recorded.
struct StickyError {
  static constexpr uint64_t kSuspect = uint64_t{1} << 18;
  uint32_t sequence = 0;
  bool told = false;  // a call has returned the error
  bool lost = false;  // an affected page may have left the pool
  uint32_t error = 0;
  static StickyError Unpack(uint64_t word) {
    return {static_cast<uint32_t>(word >> 32), (word >> 17 & 1) != 0,
            (word >> 16 & 1) != 0, static_cast<uint32_t>(word & 0xffff)};
  }
  uint64_t Pack() const {
    return uint64_t{sequence} << 32 | uint64_t{told} << 17 |
           uint64_t{lost} << 16 | (error & 0xffff);
  }
};

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
absl::StatusOr<FileLook> LookAtFile(const FileEntry& entry,
                                    const os::File& file);

os::FileIdentity IdentityOf(const FileEntry& entry);

// True if the kernel may have lost a write of the file. After a lost write,
// ext4 leaves the page in a state in which it also loses a second write,
// although that write's fsync succeeds. Therefore the page must leave the
// kernel's cache before the second write.
inline bool MayHaveLostWrites(const FileEntry& entry) {
  const uint64_t word = entry.sticky.load(std::memory_order_acquire);
  return (word & StickyError::kSuspect) != 0 ||
         StickyError::Unpack(word).error != 0;
}

// True if a good fsync covered every write of the file.
inline bool IsCovered(const FileEntry& entry) {
  // With this order of loads, equal counts mean that every write has ended.
  const uint64_t over = entry.seen_count.load(std::memory_order_acquire);
  return entry.write_count.load(std::memory_order_acquire) == over &&
         entry.synced_count.load(std::memory_order_acquire) == over;
}
// True if the file is covered and no error is left to be reported.
inline bool IsSynced(const FileEntry& entry) {
  return IsCovered(entry) &&
         StickyError::Unpack(entry.sticky.load()).error == 0;
}

inline bool HasLsn(const FileEntry& entry) {
  return entry.lsn_place.load(std::memory_order_relaxed) != 0;
}

inline constexpr uint32_t kFilesPerBlock = 64;

// A file that this process has open.
class OpenedFile {
 public:
  uint32_t index = 0;
  uint32_t page_bytes = 0;
  uint32_t page_class = 0;
  uint64_t file_key = 0;  // PageKey::FileKey
  bool read_only = false;
  bool atomic_update = false;
  FileEntry* entry = nullptr;
  std::shared_ptr<os::File> file;
  std::string path;
  uint64_t partial_bytes = 0;  // of a partial page at the end of the file
};

// A descriptor of a page file. `written` is Local::written when the descriptor
// was handed out.
struct SyncHandle {
  std::shared_ptr<os::File> file;
  uint64_t written = 0;
  bool is_new = false;  // no repair has followed its open; see NoteRepaired
};

class FileTable {
 public:
  FileTable(region::Region& region, FrameTable& frames)
      : region_(region), frames_(frames) {}
  ~FileTable();

  FileEntry* At(uint32_t index) const;
  static bool IsOpenAnywhere(const FileEntry& entry);
  std::string PathOf(const FileEntry& entry) const;
  // Returns "page 7 of /path".
  std::string DescribePage(uint64_t key) const;

  // Finds or creates the entry of an open file and marks the file open by this
  // process. `drop` evicts a closed entry's clean pages. It fails with an error
  // that names the file if a page is dirty.
  struct Request {
    std::shared_ptr<os::File> file;
    std::string path;
    // The file's identity before the open. On an overlay, an open for writing
    // copies a file of the image, so that its identity changes.
    os::FileIdentity found = {};
    uint32_t page_bytes = 0;
    bool read_only = false;
    bool atomic_update = false;
    bool odd_size = false;
    int lsn_offset = -1;
  };
  using Drop = std::function<absl::Status(uint32_t index)>;
  // Opens a handle. Calls `make_room` first, under the files latch. Returns the
  // errors of `make_room` and `drop`, FailedPrecondition, InvalidArgument and
  // ResourceExhausted.
  absl::StatusOr<OpenedFile> Open(
      const region::Thread& self, const Request& request,
      const std::function<absl::Status()>& make_room, const Drop& drop);
  // Returns an open descriptor of the file in this process that can serve
  // another handle, or null.
  std::shared_ptr<os::File> FindOpen(const os::FileIdentity& identity,
                                     bool for_writing);
  // Closes a handle and returns kClosed. The last handle in the environment
  // stays open until its pages are written: the first call returns a number.
  // The caller writes the pages back and calls Close again with that number as
  // `written`. The handle stays open again if a process opened the file between
  // the calls. kAnyway closes the handle in any case.
  static constexpr uint64_t kClosed = 0;
  static constexpr uint64_t kAnyway = ~uint64_t{0};
  uint64_t Close(const region::Thread& self, const OpenedFile& file,
                 uint64_t written);
  // Releases a handle that a forked child inherited and never used. Returns
  // false if the child has attached or is attaching.
  bool Forget(const OpenedFile& file);
  // Releases the parent's claims in a forked child that is not attached, and
  // skips fds that the program closed. Returns FailedPrecondition if a handle
  // has lost its fd.
  absl::Status ForgetLost();
  // Marks the parent's handles open in a forked child, as if the child opened
  // the files now. Marks none of them if a handle is void or a file cannot be
  // opened. `check_room` checks under the files latch whether the page sizes
  // fit, one bit a class.
  absl::Status MarkOpenInChild(
      const region::Thread& self,
      const std::function<absl::Status(uint32_t classes)>& check_room,
      const Drop& drop);
  // Locked during a fork, so that the child finds the table consistent.
  std::mutex& mutex() { return mutex_; }
  // Leaves the claims to the parent. Called in a forked child, with mutex()
  // locked.
  void LeaveClaimsToParent() { claims_.LeaveToParent(); }
  // True if this process has a descriptor with writes that no fsync covered.
  bool HasUnsynced() const;
  // Closes all descriptors when the process leaves.
  void CloseAll();
  // Returns the number of handles that this process has open.
  uint32_t open_handles() const;
  uint32_t LocalHandles(uint32_t index) const;

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
  void ReleaseKept(const Kept& kept) { Release(kept, true); }
  // Keeps the descriptor, as the most recently used.
  void KeepOn(const Kept& kept) { Release(kept, false); }
  size_t kept_count() const;
  // True once after a descriptor was added to the kept ones.
  // no step: of this process alone.
  bool HasNewKept() { return has_new_kept_.exchange(false); }

  // BeforeWrite announces a write. AfterWrite ends it and stores the file's new
  // state.
  void BeforeWrite(const region::Thread& self, FileEntry& entry);
  void AfterWrite(FileEntry& entry, const os::File& file, uint64_t pages);
  // Truncates the partial page that a failed write of [begin, end) may have
  // left at the end of the file. Does nothing if another write is under way.
  // REQUIRES: between BeforeWrite and AfterWrite.
  void CutPartialPage(const region::Thread& self, FileEntry& entry,
                      const os::File& file, uint64_t begin, uint64_t end);
  // Cuts off the partial page at the end of the file, before a page takes its
  // place. Returns Unavailable if other writes leave no moment for it.
  absl::Status CutTail(const region::Thread& self, FileEntry& entry,
                       const os::File& file);
  // Ends the writes of dead processes. Repair calls this once those processes
  // write no page any more.
  void EndWritesOfDead();
  // Reads the file's times again, because older times prove more. See
  // os/stamp.h.
  static void LookAgain(FileEntry& entry, const os::File& file);
  // Returns the mark of an fsync by this thread.
  FsyncMark MarkOf(const region::Thread& self) const;
  // Records that the page of `key` left the pool with these bits.
  void NoteDropped(uint64_t key, State bits);

  template <class F>
  void ForEach(F&& visit) const;

  // Resets the entries of a region to which no other process is attached. See
  // Pool::Adopt.
  void Adopt(region::Reachable* reached, RepairReport* report);
  bool IsPageOf(uint64_t key) const;
  // Frees the entries that dead processes claimed, and clears the open bits of
  // `process`.
  void Repair(const region::Thread& self, uint32_t process,
              const std::function<bool(uint32_t)>& is_dead,
              uint64_t* latches);

 private:
  absl::StatusOr<uint32_t> FindOrClaim(const region::Thread& self,
                                       const Request& request,
                                       const os::FileInfo& info,
                                       const Drop& drop);
  absl::Status Match(const Request& request, uint32_t index,
                     const Drop& drop);
  absl::Status CheckRenewal(const Request& request,
                            const FileEntry& entry) const;
  absl::Status MatchAnew(const Request& request, FileEntry& entry);
  absl::StatusOr<bool> TryCutTail(const region::Thread& self, FileEntry& entry,
                                  const os::File& file);
  bool IsFile(const FileEntry& entry, const os::FileIdentity& identity) const;
  std::optional<uint32_t> Find(const Request& request,
                               const os::FileIdentity& identity) const;
  absl::StatusOr<uint32_t> ClaimFree(const region::Thread& self,
                                     const Drop& drop);
  bool TryFree(const region::Thread& self, uint32_t index, const Drop& drop);
  absl::Status Fill(const region::Thread& self, FileEntry& entry,
                    const Request& request, const os::FileInfo& info);
  absl::StatusOr<os::Node> FindNode(const FileEntry& entry,
                                    std::string_view what) const;
  absl::StatusOr<std::shared_ptr<os::File>> OpenAgain(const FileEntry& entry);
  absl::Status SetPath(const region::Thread& self, FileEntry& entry,
                       const std::string& path);
  absl::Status EnsureBlock(const region::Thread& self, uint32_t block);
  static void NewGeneration(FileEntry& entry);
  static void SetOpen(const region::Thread& self, FileEntry& entry);
  static void SetState(FileEntry& entry, FileState state);

  region::Region& region_;
  FrameTable& frames_;
  mutable std::mutex mutex_;
  struct Local {
    uint32_t generation = 0;
    uint32_t handles = 0;
    os::FileIdentity identity;
    OpenInodes::Handle open;  // while `handles` is not 0
    // All descriptors that were opened since the first handle. They stay open
    // until the last handle is closed (E6).
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
    // The claim that this environment caches the file, for writing or for
    // reading.
    os::FileClaims::Claim claim;
    bool claims_writing = false;
  };
  absl::StatusOr<OpenedFile> OpenClaimed(
      const region::Thread& self, const Request& request,
      const std::function<absl::Status()>& make_room, const Drop& drop,
      Local& claimed);
  Local& LocalOf(uint32_t index, uint32_t generation);
  void Retire(Local& local);
  void Release(const Kept& kept, bool closes);
  std::vector<uint32_t> KeptByAge() const;
  absl::Status ForgetLostLocked();
  absl::Status OpenInChild(uint32_t index, Local& local, const Drop& drop);
  absl::Status Claim(Local& local, const os::FileIdentity& identity,
                     const std::string& path, bool for_writing);
  void AddHandle(const Request& request, uint32_t index, uint32_t generation,
                 const os::FileIdentity& identity, Local claimed);

  os::FileClaims claims_;                        // guarded by mutex_
  std::unordered_map<uint32_t, Local> local_;  // guarded by mutex_
  // Descriptors that this process wrote through, of entries that other
  // processes have reused for other files.
  std::vector<std::shared_ptr<os::File>> retired_;  // guarded by mutex_
  uint64_t uses_ = 0;                               // guarded by mutex_
  std::atomic<bool> has_new_kept_ = false;
};

template <class F>
void FileTable::ForEach(F&& visit) const {
  const uint32_t used = std::min(
      frames_.pool().files_used.load(std::memory_order_acquire), kMaxFiles);
  for (uint32_t i = 0; i < used; ++i) {
    FileEntry* entry = At(i);
    if (entry == nullptr) continue;
    const FileWord word =
        FileWord::Unpack(entry->word.load(std::memory_order_acquire));
    if (word.state == FileState::kOpen || word.state == FileState::kClosed) {
      visit(i, *entry, word);
    }
  }
}

}  // namespace mpool::internal

#endif  // MPOOL_MPOOL_FILES_FILES_H_
