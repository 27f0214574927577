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
//              found no frame of it.
// Crash:       CLAIMED by a dead owner turns FREE; a dead process's bits go.
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
#include "os/file.h"
#include "os/lock_file.h"
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
  std::atomic<uint64_t> synced_count;  // write_count that an fsync covered
  std::atomic<uint64_t> pages_read;
  std::atomic<uint64_t> pages_written;
  // Pages evicted since the last good fsync, and the errno of a failed one,
  // which stays.
  std::atomic<uint64_t> unsynced_evicted;
  std::atomic<uint32_t> sticky_errno;
  uint32_t pad0;
  std::atomic<uint64_t> opens;  // times a process has opened it
  uint64_t pad1[10];
};
static_assert(sizeof(FileEntry) == 256);

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
    uint32_t page_bytes = 0;
    bool read_only = false;
    bool atomic_update = false;
    int lsn_offset = -1;
  };
  using Drop = std::function<absl::Status(uint32_t index)>;
  // `make_room` is called first, under the files latch.
  absl::StatusOr<OpenedFile> Open(
      const region::Thread& self, const Request& request,
      const std::function<absl::Status()>& make_room, const Drop& drop);
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
  // The process leaves: closes what it opened to write pages back.
  void CloseAll();
  // Handles that this process has open.
  uint32_t open_handles() const;
  uint32_t LocalHandles(uint32_t index) const;

  // The file for writing, opened by its path if this process has not opened
  // it; identity is compared.
  absl::StatusOr<std::shared_ptr<os::File>> ForWriting(uint32_t index);

  // A write is about to happen; and it is over, with the file's new state.
  void BeforeWrite(FileEntry& entry);
  void AfterWrite(FileEntry& entry, const os::File& file, uint64_t pages);
  // Repair, when the dead write no page any more.
  void EndWritesOfDead();

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
  absl::StatusOr<uint32_t> ClaimFree(const region::Thread& self,
                                     const Drop& drop);
  absl::Status Fill(const region::Thread& self, FileEntry& entry,
                    const Request& request, const os::FileInfo& info);
  static absl::StatusOr<os::File> OpenAgain(const FileEntry& entry,
                                            const std::string& path);
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
    std::vector<std::weak_ptr<os::File>> files;  // of the handles
    std::shared_ptr<os::File> writable;
    // That this environment caches the file; as one that writes, or not.
    os::ByteLock claim;
    bool claims_writing = false;
  };
  Local& LocalOf(uint32_t index, uint32_t generation);
  absl::Status ForgetLostLocked();
  absl::Status OpenInChild(uint32_t index, const Local& local,
                           const Drop& drop, Local& claimed);
  absl::Status Claim(Local& local, const os::File& file,
                     const std::string& path, bool for_writing) const;
  std::unordered_map<uint32_t, Local> local_;  // guarded by mutex_
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
