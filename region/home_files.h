// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// home_files.h - a process's open of the home and of its lock file, and the
// checks that descriptor, memory and register belong together.
//
// Role:        hides fds that the program may have closed. Knows no slot.
// Concurrency: the probes of locks() are thread-safe. All other calls belong to
//              attach, EnterChild and leave.
// Invariants:  H1 the region opens the home's files through the open of the
//              directory that Prepare got, even if the path leads elsewhere
//              later.
//              H2 memory that only one process uses has no register.

#ifndef MPOOL_REGION_HOME_FILES_H_
#define MPOOL_REGION_HOME_FILES_H_

#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "os/assert.h"
#include "os/file.h"
#include "os/lock_file.h"
#include "region/layout.h"

namespace mpool::region {

class HomeFiles {
 public:
  HomeFiles(os::File home, const os::FileIdentity& identity)
      : home_(std::move(home)), identity_(identity) {}
  HomeFiles(const HomeFiles&) = delete;
  HomeFiles& operator=(const HomeFiles&) = delete;

  const os::File& home() const { return home_; }
  const os::FileIdentity& identity() const { return identity_; }

  // For an adopter: the previous device number of the home's file system if the
  // file system was mounted again; see move.h.
  std::optional<uint64_t> moved_from() const { return moved_from_; }
  void set_moved_from(uint64_t device) { moved_from_ = device; }

  // Opens `__db.register`. NotFound if it does not exist and not `create`.
  absl::Status OpenRegister(bool create, int mode);
  // Makes a register without a name, for this process and its children.
  absl::Status MakeUnnamedRegister();
  // Removes the register if this process made it and no process uses it.
  void UnmakeRegister() { locks().Unmake(); }

  bool has_register() const { return register_.has_value(); }
  // The byte locks. REQUIRES: has_register().
  const os::LockFile& locks() const {
    MPOOL_ASSERT(register_.has_value());
    return *register_;
  }
  os::LockFile& locks() {
    MPOOL_ASSERT(register_.has_value());
    return *register_;
  }

  // Forgets fds that the program closed, without closing them.
  void ForgetLost();
  // Opens the home again by its path if its fd is lost.
  absl::Status ReopenHome();

 private:
  os::File home_;
  os::FileIdentity identity_;
  std::optional<uint64_t> moved_from_;
  std::optional<os::LockFile> register_;
};

// Returns why the descriptor does not belong to this directory; empty if it
// does.
absl::StatusOr<std::string_view> CheckDescriptor(
    const os::File& home, const FixedHeader& descriptor);
// Returns FailedPrecondition if the register is newer than the region and the
// memory is in use. In that case the first register, with the locks of the
// attached processes, was removed.
// REQUIRES: no process holds a lock of the register that exists now. Not
// checkable: a process may have asked for a lock since the probe.
absl::Status CheckRegister(const os::File& home,
                           const FixedHeader& descriptor);
// Removes the memory that the descriptor names and the memory of lost
// descriptors. Ignores a descriptor of another home. Returns true if there was
// a descriptor or memory.
absl::StatusOr<bool> RemoveMemory(
    const os::File& home, const std::optional<FixedHeader>& descriptor);

}  // namespace mpool::region

#endif  // MPOOL_REGION_HOME_FILES_H_
