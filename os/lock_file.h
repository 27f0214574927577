// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// lock_file.h - byte locks that live exactly as long as a process's memory.
//
// A lock is an OFD write lock on one byte, on an open file description that
// only a mapping holds: one PROT_NONE page, MAP_SHARED, MADV_DONTFORK, whose fd
// is closed at once. So it survives closefrom(), a forked child does not keep
// it, exec and death by any signal end it, and it outlasts every system call
// of the dying process. POSIX record locks would vanish when any fd of the
// file is closed; a plain OFD lock would be kept by a forked child.
//
// A probe uses an open of its own: a lock never conflicts with its own
// description.
//
// Between the open and the madvise a forked child would inherit the lock, so
// an atfork handler closes such half-made locks in the child. A thread may wait
// for a lock there; the fork does not wait for it.

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
#include "os/file.h"

namespace mpool::os {

// One locked byte. Move-only; the lock goes when it is destroyed or dropped.
class ByteLock {
 public:
  ByteLock() = default;
  ByteLock(ByteLock&& other) noexcept;
  ByteLock& operator=(ByteLock&& other) noexcept;
  ~ByteLock();

  bool held() const { return page_ != nullptr; }
  // Gives the lock back.
  void Drop();
  // Forgets the lock without a system call; for a forked child, which has
  // neither the lock nor the page.
  void Forget() { page_ = nullptr; }

 private:
  friend class LockFile;
  explicit ByteLock(void* page) : page_(page) {}
  void* page_ = nullptr;
};

// Says that the processes which have this open of `dir`, forked children
// included, use it with what no other process can find. It lasts until one of
// them takes it back, or none has the open any more. False if another open
// says so.
absl::StatusOr<bool> ClaimDirectory(const File& dir);
void UnclaimDirectory(const File& dir);
// Whether another open says so.
absl::StatusOr<bool> IsDirectoryClaimed(const File& dir);

// Says that `file` is mapped, as long as a mapping that is made through this
// open of it is there, in this process or in a forked child; and asks for it.
void MarkMapped(const File& file);
absl::StatusOr<bool> IsMapped(const File& file);

// A file of byte locks, known by directory and name. The locks need no fd; one
// stays open to look at them, so that a process which has no fd left still
// knows who lives.
class LockFile {
 public:
  // Makes sure that forks are watched. The first lock does so too; who has
  // fork handlers under which locks are taken calls this before it sets them.
  static void WatchForks();

  // `dir` must outlive the LockFile. Creates the file if `create`, with exact
  // `permissions`; NotFound if it is not there and must not be created.
  // `unused` is for Unmake, which an Open that fails calls too.
  static absl::StatusOr<LockFile> Open(const File& dir, std::string_view name,
                                       bool create, int permissions,
                                       std::function<bool()> unused = {});
  // Takes back what Open made, unless somebody holds a lock of it, or `unused`,
  // asked while nobody else can come in by byte 0, does not say yes. Needs no
  // fd, and leaves a LockFile that is good for nothing.
  void Unmake();
  // Leaves fds alone that the program closed.
  void ForgetLost();
  // One without a name, for this process and its forked children. Its fd stays
  // open; /proc leads each lock to an open of its own.
  static absl::StatusOr<LockFile> Unnamed();

  // Waits for the lock on `byte`. Starts over if the file was replaced
  // meanwhile (the locked one must still have the name); makes it again if it
  // was removed and Open was told to create it.
  absl::StatusOr<ByteLock> Lock(uint64_t byte) const;
  // The same with no more fds than the LockFile has, if the process is given no
  // other. REQUIRES: no other call is in here.
  absl::StatusOr<ByteLock> LockWithin(uint64_t byte);
  // A lock that is not held() if another holds it.
  absl::StatusOr<ByteLock> TryLock(uint64_t byte) const;
  // Whether somebody, this process included, holds a lock in
  // [first, first + count). Gives the first such byte.
  absl::StatusOr<std::optional<uint64_t>> FindHeld(uint64_t first,
                                                   uint64_t count) const;

 private:
  LockFile(const File* dir, FileIdentity dir_identity, std::string_view name,
           bool create, int permissions);

  absl::StatusOr<File> OpenUnnamed(File::Mode mode) const;
  // As above, of the lock file's directory.
  absl::StatusOr<File> ReopenDirectory() const;
  absl::StatusOr<File> OpenBelow(const File& dir) const;
  // Whether `file` is the one that has the name now.
  absl::StatusOr<bool> HasName(const File& dir, const File& file) const;
  // One try; nothing if the file was replaced meanwhile.
  absl::StatusOr<std::optional<ByteLock>> Attempt(uint64_t byte,
                                                  bool wait) const;
  absl::StatusOr<ByteLock> Acquire(uint64_t byte, bool wait) const;

  // The first lock that another description holds there; nothing if `file` has
  // lost the name.
  using Found = std::optional<uint64_t>;
  absl::StatusOr<std::optional<Found>> Look(const File& dir, const File& file,
                                            uint64_t first,
                                            uint64_t count) const;

  std::shared_ptr<File> unnamed_;  // stands for the directory too
  const File* dir_;
  File probe_;  // never has a lock
  FileIdentity probe_identity_;
  FileIdentity dir_identity_;
  std::string name_;
  bool create_;
  bool made_ = false;  // it was not there before Open
  std::function<bool()> unused_;
  int permissions_;
};

}  // namespace mpool::os

#endif  // MPOOL_OS_LOCK_FILE_H_
