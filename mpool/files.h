// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// files.h - the page files as the pool knows them, in all processes.
//
// Concurrency: opening and closing take the files latch; the counters are
//              atomics that anybody raises.
// Invariants:  E1 an entry is FREE, CLAIMED (being filled), OPEN or CLOSED;
//              only CLAIMED names an owner. E2 who has it open is one bit per
//              process slot, never a count. E3 its generation is part of the
//              key of each of its pages, and it turns FREE only after a sweep
//              found no frame of it. E4 an entry is used for another file only
//              after a good fsync covered all its writes. E5 a descriptor
//              through which this process wrote is closed only after a good
//              fsync through it, or once its failure is in the entry. E6 while
//              a process has a file open, it closes no descriptor of the file,
//              because that would drop the program's record locks.
// Crash:       CLAIMED by a dead owner turns FREE; a dead process's bits go;
//              an fsync that was under way counts as failed (file_sync.h).
// Lock rank:   kFiles; the heap latch may be taken under it, and I/O is done.

#ifndef MPOOL_MPOOL_FILES_H_
#define MPOOL_MPOOL_FILES_H_

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
#include "mpool/frames.h"
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
  // Raised before a write, and after the stat that follows it.
  std::atomic<uint64_t> write_count;
  std::atomic<uint64_t> seen_count;
  std::atomic<uint64_t> seen_size;
  std::atomic<uint64_t> seen_mtime_ns;  // 0: a write was not seen to its end
  std::atomic<uint64_t> seen_ctime_ns;
  // write_count + 1 for which the times seen prove that no other program has
  // written since; see os/stamp.h.
  std::atomic<uint64_t> settled_count;
  std::atomic<uint64_t> synced_count;  // write_count that an fsync covered
  std::atomic<uint64_t> pages_read;
  std::atomic<uint64_t> pages_written;
  std::atomic<uint64_t> fsync_mark;  // FsyncMark
  std::atomic<uint64_t> sticky;      // StickyError
  // Pages that left the pool UNSYNCED, and how many of them a good fsync
  // covered. Neither is ever lowered.
  std::atomic<uint64_t> unsynced_evicted;
  std::atomic<uint64_t> evicted_covered;
  std::atomic<uint64_t> opens;  // times a process has opened it
  // The thread that cuts half a page off the end of the file, or 0.
  std::atomic<uint32_t> cutter;
  std::atomic<uint32_t> has_fine_stamps;
  uint64_t pad1[4];
};
static_assert(sizeof(FileEntry) == 256);

// "An fsync is under way": process generation 32 | frees 1 | thread 31. At most
// one of each file is, so that its outcome is known before the next one begins.
// Frees: no fsync, the entry is being taken from a synced file.
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

// The outcome of a failed fsync: sequence 32 | 13 spare | suspect | told |
// lost | errno 16. errno 0 = none. Suspect: a failure is being noted.
struct StickyError {
  static constexpr uint64_t kSuspect = uint64_t{1} << 18;
  uint32_t sequence = 0;
  bool told = false;  // a call has returned it
  bool lost = false;  // a page that it may have struck is not in the pool
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

// The state of a file when the pool last saw it.
struct Seen {
  uint64_t size_bytes;
  uint64_t mtime_ns;
  uint64_t ctime_ns;
  uint64_t count;  // write_count then, if no write is under way
  bool is_settled;
  explicit Seen(const FileEntry& entry)
      : size_bytes(entry.seen_size.load(std::memory_order_acquire)),
        mtime_ns(entry.seen_mtime_ns.load(std::memory_order_relaxed)),
        ctime_ns(entry.seen_ctime_ns.load(std::memory_order_relaxed)),
        count(entry.seen_count.load(std::memory_order_acquire)),
        is_settled(entry.settled_count.load(std::memory_order_relaxed) ==
                   count + 1) {}

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

// A file, and its state when the pool last saw it.
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

// True if the kernel may have lost a write of the file. After that ext4 keeps
// the page in a state in which a second write of it is lost, too, although its
// fsync is good: the page must leave the kernel's cache first.
inline bool MayHaveLostWrites(const FileEntry& entry) {
  const uint64_t word = entry.sticky.load(std::memory_order_acquire);
  return (word & StickyError::kSuspect) != 0 ||
         StickyError::Unpack(word).error != 0;
}

// True if a good fsync covered every write of the file.
inline bool IsCovered(const FileEntry& entry) {
  // In this order equal counts say that every write was over.
  const uint64_t over = entry.seen_count.load(std::memory_order_acquire);
  return entry.write_count.load(std::memory_order_acquire) == over &&
         entry.synced_count.load(std::memory_order_acquire) == over;
}
// The same, and no error is left to be told.
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
  uint64_t partial_bytes = 0;  // of a page that the file ends with
};

// A descriptor of a page file, and how far this process's writes through it
// had come when it was given out.
struct SyncHandle {
  std::shared_ptr<os::File> file;
  uint64_t written = 0;
};

class FileTable {
 public:
  FileTable(region::Region& region, FrameTable& frames)
      : region_(region), frames_(frames) {}
  ~FileTable();

  FileEntry* At(uint32_t index) const;
  static bool IsOpenAnywhere(const FileEntry& entry);
  std::string PathOf(const FileEntry& entry) const;
  // "page 7 of /path".
  std::string TellPage(uint64_t key) const;

  // Finds or makes the entry of an open file and marks it open by this
  // process. `drop` empties the pool of a closed entry's clean pages; it fails,
  // naming the file, if one is dirty.
  struct Request {
    std::shared_ptr<os::File> file;
    std::string path;
    // The file before it was opened: on an overlay, an open for writing copies
    // a file of the image, and its identity changes.
    os::FileIdentity found = {};
    uint32_t page_bytes = 0;
    bool read_only = false;
    bool atomic_update = false;
    bool odd_size = false;
    int lsn_offset = -1;
  };
  using Drop = std::function<absl::Status(uint32_t index)>;
  // `make_room` is called first, under the files latch.
  absl::StatusOr<OpenedFile> Open(
      const region::Thread& self, const Request& request,
      const std::function<absl::Status()>& make_room, const Drop& drop);
  // A descriptor of the file that this process has open already, which serves
  // one more handle; null if there is none.
  std::shared_ptr<os::File> FindOpen(const os::FileIdentity& identity,
                                     bool for_writing);
  // Gives back a handle, and returns kClosed; but the last one, of all
  // processes, stays open until its pages are written: comes back with what
  // this returned, and is closed if nobody has opened the file since.
  static constexpr uint64_t kClosed = 0;
  static constexpr uint64_t kAnyway = ~uint64_t{0};
  uint64_t Close(const region::Thread& self, const OpenedFile& file,
                 uint64_t written);
  // Gives back a handle that a forked child inherited and never used. False if
  // the child has come in, or is about to.
  bool Forget(const OpenedFile& file);
  // Of a forked child that has not come in: the parent's claims are not its
  // own, and fds that the program closed are left alone. FailedPrecondition if
  // a handle has lost its fd.
  absl::Status ForgetLost();
  // A forked child has its parent's handles open too, as if it opened the files
  // now; all of them or, if one is void or cannot be opened, none. `check_room`
  // is asked, under the files latch, whether page sizes fit, one bit a class.
  absl::Status MarkOpenInChild(
      const region::Thread& self,
      const std::function<absl::Status(uint32_t classes)>& check_room,
      const Drop& drop);
  // Held around a fork, so that the child finds the table whole.
  std::mutex& mutex() { return mutex_; }
  // In a forked child, with mutex() held: the claims are the parent's alone.
  void LeaveClaimsToParent() { claims_.LeaveToParent(); }
  // The process leaves: closes what it opened to write pages back.
  void CloseAll();
  // Handles that this process has open.
  uint32_t open_handles() const;
  uint32_t LocalHandles(uint32_t index) const;

  // The file for one write, opened by its path if this process has not opened
  // it; identity is compared, and the file claimed. EndWriting follows.
  absl::StatusOr<std::shared_ptr<os::File>> BeginWriting(uint32_t index);
  void EndWriting(uint32_t index);
  // The file for an fsync: through the descriptor that this process wrote by,
  // if it has one.
  absl::StatusOr<SyncHandle> ForSync(uint32_t index);
  // An fsync through the handle was good, or its failure is in the entry.
  void NoteSynced(uint32_t index, const SyncHandle& handle);

  // Descriptors that this process keeps of files that it has not open: it wrote
  // through them, or may soon write again for others.
  static constexpr size_t kMostKept = 32;
  struct Kept {
    uint32_t index = 0;  // kMaxFiles: another file has its entry
    uint32_t generation = 0;
    SyncHandle handle;
    bool needs_sync = false;
  };
  // The longest unused of more than `most`, or one of a file without a name.
  // It is given out once until ReleaseKept.
  std::optional<Kept> TakeKept(size_t most);
  // Closes it, unless it was written through since.
  void ReleaseKept(const Kept& kept) { Release(kept, true); }
  // Keeps it, as the one that was used last.
  void KeepOn(const Kept& kept) { Release(kept, false); }
  size_t kept_count() const;
  // True once after a descriptor was added to those that are kept.
  // quiet: of this process alone.
  bool HasNewKept() { return has_new_kept_.exchange(false); }

  // A write is about to happen; and it is over, with the file's new state.
  void BeforeWrite(const region::Thread& self, FileEntry& entry);
  void AfterWrite(FileEntry& entry, const os::File& file, uint64_t pages);
  // A write of [begin, end) failed and may have left half a page at the end of
  // the file: cuts that off, unless another write is under way.
  // REQUIRES: between BeforeWrite and AfterWrite.
  void CutPartialPage(const region::Thread& self, FileEntry& entry,
                      const os::File& file, uint64_t begin, uint64_t end);
  // Repair, when the dead write no page any more.
  void EndWritesOfDead();
  // The file's times prove more once they are older; see os/stamp.h.
  static void LookAgain(FileEntry& entry, const os::File& file);
  // The mark of an fsync by this thread.
  FsyncMark MarkOf(const region::Thread& self) const;
  // A page of `key` left the pool with these bits.
  void NoteDropped(uint64_t key, State bits);

  template <class F>
  void ForEach(F&& visit) const;

  // Nobody else is attached; see Pool::Adopt.
  void Adopt(region::Reachable* reached, RepairReport* report);
  bool IsPageOf(uint64_t key) const;
  // Repair: entries claimed by the dead turn free, their bits go.
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
  absl::Status MatchAnew(const Request& request, FileEntry& entry);
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
  absl::StatusOr<os::File> OpenAgain(const FileEntry& entry) const;
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
    // Every descriptor that was opened since the first handle; all stay open
    // until the last one is closed (E6).
    std::vector<std::shared_ptr<os::File>> files;
    std::shared_ptr<os::File> writable;  // one of them, or of no handle
    // Raised before and after each write through `writable`; up to `synced`
    // its outcome is known.
    uint64_t written = 0;
    uint64_t synced = 0;
    uint32_t writing = 0;   // writes under way
    uint64_t last_use = 0;  // for those that are kept
    bool is_taken = false;  // by TakeKept
    // That this environment caches the file; as one that writes, or not.
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
  void ParkUnused(const std::shared_ptr<os::File>& file);

  os::FileClaims claims_;                        // guarded by mutex_
  std::unordered_map<uint32_t, Local> local_;  // guarded by mutex_
  // Written through for entries that others have given to other files since.
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

#endif  // MPOOL_MPOOL_FILES_H_
