// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// open_inodes.h - the page files that this process has open, in all its
// environments, and the descriptors that it must not close until then.
//
// A close of any descriptor of a file drops all record locks (fcntl, lockf) of
// the process on the file. The program's locks must outlive every call of the
// library. Therefore:
//
// Invariants:  O1 every descriptor of a page file is a SharedPageFile. O2 while
//              the process has a handle on the file, the last reference to such
//              a descriptor parks it instead of closing it. O3 the last handle
//              closes the parked descriptors.
// Concurrency: a mutex of its own, the last of a process. WatchForks has
//              it held around each fork.

#ifndef MPOOL_MPOOL_FILES_OPEN_INODES_H_
#define MPOOL_MPOOL_FILES_OPEN_INODES_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include "absl/status/statusor.h"
#include "mpool/files/file_entry.h"
#include "os/file.h"
#include "os/mutex.h"
#include "os/node.h"

namespace mpool::internal {

// A descriptor of a page file. See O2 for the time at which it is closed.
std::shared_ptr<os::File> SharedPageFile(os::File file);
// Opens the file, or returns a parked descriptor of it. Returns the errors of
// an open.
absl::StatusOr<std::shared_ptr<os::File>> OpenPageFile(const os::Node& node,
                                                       FileAccess access);

class OpenInodes {
 public:
  // The process has the file open from here to the end of the object.
  class Handle {
   public:
    Handle() = default;
    explicit Handle(const os::FileIdentity& identity);
    Handle(Handle&& other) noexcept
        : inode_(std::exchange(other.inode_, std::nullopt)) {}
    Handle& operator=(Handle&& other) noexcept {
      std::swap(inode_, other.inode_);
      other.Drop();
      return *this;
    }
    ~Handle() { Drop(); }

    bool IsOf(const os::FileIdentity& identity) const;

   private:
    void Drop();

    std::optional<std::pair<uint64_t, uint64_t>> inode_;
  };

  // Returns a parked descriptor of the file that allows `access`, or null.
  // Every open looks here first, so that refused opens do not pile up
  // descriptors.
  static std::shared_ptr<os::File> TakeParked(const os::FileIdentity& identity,
                                              FileAccess access);
  // Forgets parked descriptors that the program closed, as in a forked child.
  static void ForgetLost();
  // Held around a fork, so that the child finds the set whole.
  static os::Mutex& mutex();
};

}  // namespace mpool::internal

#endif  // MPOOL_MPOOL_FILES_OPEN_INODES_H_
