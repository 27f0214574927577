// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// lock_file.h - byte locks that live exactly as long as a process's memory.
//
// A lock is an OFD write lock on one byte. Only a mapping holds its open file
// description: one PROT_NONE page, MAP_SHARED, MADV_DONTFORK. The fd is closed
// at once. Therefore:
// - the lock survives closefrom();
// - a forked child does not inherit it, as it would inherit a plain OFD lock;
// - exec and death by any signal end it;
// - it outlasts every system call of the dying process.
// A POSIX record lock would end when the process closes any fd of the file.
//
// A probe uses its own open of the file, because a lock never conflicts with
// its own description.
//
// The kernel does not name the process of an OFD lock. The holder of byte 0
// therefore also locks, through the same description, a byte whose number
// contains its pid, and a byte whose number contains its PID namespace. These
// locks live exactly as long as the lock on byte 0, and cost no write.
//
// Between the open and the madvise a forked child would inherit the lock. So an
// atfork handler closes such half-made locks in the child. A thread may wait
// for a lock in this window, and a fork does not wait for that thread.

#ifndef MPOOL_OS_LOCK_FILE_H_
#define MPOOL_OS_LOCK_FILE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "os/clock.h"
#include "os/file.h"

namespace mpool::os {

class HalfMadeLock;

// One locked byte. Move-only; Drop and the destructor release the lock.
//
// A mapping holds the lock, so that it needs no fd. On overlayfs a mapping
// holds the file of a layer instead, so an fd holds the lock. There a program
// that closes this fd loses the lock, and a child made by a raw clone keeps it
// until the child execs or ends.
class ByteLock {
 public:
  ByteLock();
  ByteLock(ByteLock&& other) noexcept;
  ByteLock& operator=(ByteLock&& other) noexcept;
  ~ByteLock();

  bool held() const { return page_ != nullptr || open_ != nullptr; }
  // Releases the lock.
  void Drop();
  // Forgets the lock without a system call. For a forked child, which has
  // neither the lock nor the page.
  void Forget();

 private:
  friend class LockFile;
  explicit ByteLock(void* page);
  explicit ByteLock(std::unique_ptr<HalfMadeLock> open);
  void* page_ = nullptr;
  std::unique_ptr<HalfMadeLock> open_;
};

// The process that holds byte 0 of a lock file, for people.
struct LockHolder {
  int32_t pid = 0;             // in the process's own PID namespace
  uint64_t pid_namespace = 0;  // inode of its /proc/self/ns/pid; 0: unknown
};

// Claims `dir` for the processes that share this open of it, forked children
// included. They use the directory with memory that no other process can find.
// The claim lasts until one of them calls UnclaimDirectory, or until none of
// them has the open any more. Returns false if another open has a claim.
absl::StatusOr<bool> ClaimDirectory(const File& dir);
void UnclaimDirectory(const File& dir);
// True if another open has a claim on `dir`.
absl::StatusOr<bool> IsDirectoryClaimed(const File& dir);

// Marks `file` as mapped. The mark lasts as long as a mapping made through this
// open exists, in this process or in a forked child. IsMapped returns true if
// another open has marked the file.
void MarkMapped(const File& file);
absl::StatusOr<bool> IsMapped(const File& file);

// A file of byte locks, identified by directory and name. The locks need no fd,
// except on overlayfs.
// One fd stays open for probes, so that a process with no free fd can still see
// which processes live.
class LockFile {
 public:
  // Installs the handlers for forks, as the first lock does. Call it before you
  // install a fork handler that acquires a mutex under which byte locks are
  // acquired. Handlers that run before a fork run in reverse order.
  static void WatchForks();

  // Opens the lock file. `dir` must outlive the LockFile. Creates the file with
  // exact `permissions` if `create`; otherwise returns NotFound if the file
  // does not exist. `unused` is for Unmake, which a failed Open calls too.
  static absl::StatusOr<LockFile> Open(const File& dir, std::string_view name,
                                       bool create, int permissions,
                                       std::function<bool()> unused = {});
  // Removes the file if Open created it, no process (this one included) holds a
  // lock of it, and `unused` returns true. `unused` is called while this
  // process holds byte 0, so that no other process can join. Needs no fd. The
  // LockFile must not be used afterwards.
  void Unmake();
  // Forgets fds that the program closed.
  void ForgetLost();
  // Creates a lock file without a name, for this process and its forked
  // children. Its fd stays open, because each lock reopens the file through
  // /proc.
  static absl::StatusOr<LockFile> Unnamed();

  // Waits for the lock on `byte`. Starts over if the file was replaced during
  // the wait, because only the file that has the name counts. Creates the file
  // again if it was removed and Open had `create`. The result is not held() if
  // the deadline has passed.
  absl::StatusOr<ByteLock> Lock(
      uint64_t byte,
      const Deadline& deadline = Deadline(absl::InfiniteDuration())) const;
  // Like Lock, but reuses the LockFile's own fd if the process has no free fd.
  // REQUIRES: no other thread calls a function of this LockFile (not checkable:
  //           a LockFile does not know its callers).
  absl::StatusOr<ByteLock> LockWithin(uint64_t byte, const Deadline& deadline);
  // Acquires the lock without waiting. The result is not held() if another
  // description holds the lock.
  absl::StatusOr<ByteLock> TryLock(uint64_t byte) const;
  // Returns the first locked byte in [first, first + count), also if this
  // process holds the lock; nullopt if no byte is locked.
  absl::StatusOr<std::optional<uint64_t>> FindHeld(uint64_t first,
                                                   uint64_t count) const;
  // Returns the holder of byte 0; nullopt if the byte is free, or if the holder
  // has not yet named itself.
  absl::StatusOr<std::optional<LockHolder>> FindHolder() const;

 private:
  // Tells an attempt how to treat a lock of another description.
  enum class IfHeld { kWait, kGiveUp };

  LockFile(const File* dir, FileIdentity dir_identity, std::string_view name,
           bool create, int permissions);

  absl::StatusOr<File> OpenUnnamed(File::Mode mode) const;
  // Returns os::ReopenDirectory of the lock file's directory. Returns
  // FailedPrecondition if the fd of a file without a name is lost.
  absl::StatusOr<File> ReopenDirectory() const;
  absl::StatusOr<File> OpenBelow(const File& dir) const;
  // True if the name leads to `file` now.
  absl::StatusOr<bool> HasName(const File& dir, const File& file) const;
  // Makes one attempt. Returns nullopt if the file was replaced during the
  // attempt.
  absl::StatusOr<std::optional<ByteLock>> Attempt(uint64_t byte,
                                                  IfHeld if_held) const;
  absl::StatusOr<ByteLock> Acquire(uint64_t byte,
                                   const Deadline& deadline) const;

  // Returns the first lock of another description in the range. The outer
  // optional is empty if `file` has lost the name.
  using Found = std::optional<uint64_t>;
  absl::StatusOr<std::optional<Found>> Look(const File& dir, const File& file,
                                            uint64_t first,
                                            uint64_t count) const;

  std::shared_ptr<File> unnamed_;  // dir_ points to it if it is set
  const File* dir_;
  File probe_;  // never holds a lock
  FileIdentity probe_identity_;
  FileIdentity dir_identity_;
  std::string name_;
  bool create_;
  bool made_ = false;  // the file did not exist before Open
  std::function<bool()> unused_;
  int permissions_;
};

}  // namespace mpool::os

#endif  // MPOOL_OS_LOCK_FILE_H_
