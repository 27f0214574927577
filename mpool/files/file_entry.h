// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// file_entry.h - the shared entry of a page file, and its words.
//
// Role:        the state that all processes agree on. FileTable finds, claims
//              and frees entries. FileWatch keeps the seen_ words and
//              write_count. PageIo keeps cutter. FileSync keeps the sync words.
// Concurrency: `word` changes under the files latch. Every other word is an
//              atomic with its own rule; see its comment.
// Invariants:  N1 only CLAIMED names an owner.
//              N2 the generation never falls. A claim and a renewal raise it.
//
// State word FileEntry::word:
//
//   63 .. 32    31 .. 24   23 .. 8   7 .. 0
//   generation  0          owner     state
//
// Transitions (F) and their functions. CheckTransition reports all others.
//   F1  FREE -> CLAIMED+owner, generation + 1   FileTable::Claim
//   F2  CLAIMED -> OPEN                         FileTable::SetOpen
//   F3  CLAIMED -> FREE                         FileTable::GiveUp, Repair
//   F4  OPEN -> OPEN, CLOSED -> OPEN            FileTable::SetOpen
//   F5  OPEN -> CLOSED                          FileTable::SetClosed
//   F6  OPEN or CLOSED -> FREE                  FileTable::TryFree, Forget
//   F7  OPEN or CLOSED, generation + 1          FileTable::Renew
//   F8  FREE -> OPEN                            FileTable::SetOpen in a forked
//       child, if a process died between F6 and F1: the entry is still whole
// An entry that is OPEN without an open bit is of dead processes and counts as
// closed. FileTable::Adopt turns any word into FREE or CLOSED, because no other
// process is attached.

#ifndef MPOOL_MPOOL_FILES_FILE_ENTRY_H_
#define MPOOL_MPOOL_FILES_FILE_ENTRY_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "mpool/page/page_class.h"
#include "mpool/page/page_key.h"
#include "os/file.h"
#include "region/limits.h"

namespace mpool::internal {

enum class FileState : uint32_t {
  kFree = 0,
  kClaimed = 1,  // being filled by its owner
  kOpen = 2,
  kClosed = 3,
};

// generation 32 | spare 8 | owner process 16 | state 8
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

// Aborts if `to` must not follow `from`; see the transitions above.
void CheckTransition(FileWord from, FileWord to);

// SHARED
struct alignas(kLineBytes) FileEntry {
  std::atomic<uint64_t> word;  // FileWord
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
  std::atomic<uint64_t> handle[3];  // os::PackedHandle
  // 1 from before an OpenFile that may have created the file returns, until an
  // fsync of the file's directory. A process that dies in between leaves 1.
  std::atomic<uint64_t> name_unsynced;
};
static_assert(sizeof(FileEntry) == 256 && alignof(FileEntry) == kLineBytes);
static_assert(offsetof(FileEntry, page_count) == 40);
static_assert(offsetof(FileEntry, open_bits) == 64);
static_assert(offsetof(FileEntry, write_count) == 96);
static_assert(offsetof(FileEntry, settled_count) == 136);
static_assert(offsetof(FileEntry, fsync_mark) == 168);
static_assert(offsetof(FileEntry, opens) == 200);
static_assert(offsetof(FileEntry, cutter) == 208);
static_assert(offsetof(FileEntry, handle) == 216);
static_assert(offsetof(FileEntry, name_unsynced) == 240);
static_assert(std::atomic<uint64_t>::is_always_lock_free);

inline constexpr uint32_t kFilesPerBlock = 64;
static_assert(kMaxFiles % kFilesPerBlock == 0);
static_assert(kMaxProcesses % 64 == 0);

// The fsync under way: process generation 32 | frees 1 | thread 31. A file has
// at most one, so that its outcome is known before the next fsync begins.
// `frees`: no fsync is under way. The thread is freeing the entry of a synced
// file.
//
//   0 -> mark -> 0             FileSync::Begin, End
//   0 -> mark+frees -> 0       FileTable::TryFree, then TryFree or Claim
//   mark of the dead -> 0      FileSync::Repair, FileTable::Repair
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

// The outcome of a failed fsync: sequence 32 | spare 13 | suspect | told | lost
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

// Returns the identity in the entry. It is a mixture of two identities if
// another thread stores a new one at the same time.
os::FileIdentity IdentityOf(const FileEntry& entry);

// True if any process has the file open.
bool IsOpenAnywhere(const FileEntry& entry);
// True if a process other than `process` has the file open.
bool IsOpenElsewhere(const FileEntry& entry, uint32_t process);

inline uint32_t GenerationOf(const FileEntry& entry) {
  return FileWord::Unpack(entry.word.load()).generation;
}

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
// True if a power loss may remove the file's name.
inline bool HasNewName(const FileEntry& entry) {
  return entry.name_unsynced.load(std::memory_order_acquire) != 0;
}
// True if the file and its name are covered and no error is left to be
// reported.
inline bool IsSynced(const FileEntry& entry) {
  return IsCovered(entry) && !HasNewName(entry) &&
         StickyError::Unpack(entry.sticky.load()).error == 0;
}

inline bool HasLsn(const FileEntry& entry) {
  return entry.lsn_place.load(std::memory_order_relaxed) != 0;
}

// Raises the word to `value` if it is lower.
void RaiseTo(std::atomic<uint64_t>* mark, uint64_t value);

// How a file is opened, claimed or used.
enum class FileAccess : uint8_t { kReading, kWriting };

// A file that this process has open.
class OpenedFile {
 public:
  uint32_t index = 0;
  uint32_t page_bytes = 0;
  PageClass page_class;
  PageKey file_key;
  bool read_only = false;
  bool atomic_update = false;
  FileEntry* entry = nullptr;
  std::shared_ptr<os::File> file;
  std::string path;
  uint64_t partial_bytes = 0;  // of a partial page at the end of the file
};

// A request to open a file.
struct OpenRequest {
  std::shared_ptr<os::File> file;
  std::string path;
  // The file's identity before the open. On an overlay, an open for writing
  // copies a file of the image, so that its identity changes.
  os::FileIdentity found = {};
  uint32_t page_bytes = 0;
  bool read_only = false;
  bool atomic_update = false;
  bool odd_size = false;
  bool is_created = false;  // this open created the file
  int lsn_offset = -1;

  FileAccess access() const {
    return read_only ? FileAccess::kReading : FileAccess::kWriting;
  }
};

}  // namespace mpool::internal

#endif  // MPOOL_MPOOL_FILES_FILE_ENTRY_H_
