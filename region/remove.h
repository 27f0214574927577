// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// remove.h - removes the region of a home that no process is attached to. The
// remover and the last leaver use it.
//
// Crash:  the next opener or remover finds some of the files and continues.

#ifndef MPOOL_REGION_REMOVE_H_
#define MPOOL_REGION_REMOVE_H_

#include <memory>
#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "os/file.h"
#include "os/lock_file.h"
#include "region/layout.h"

namespace mpool::region {

// Removes the memory, the descriptor and the lock file of `home`, in this
// order. Ignores a descriptor of another home.
// REQUIRES: the caller holds byte 0, and no process is attached. Not checkable:
// the lock belongs to a ByteLock of the caller.
absl::Status RemoveRegionFiles(const os::File& home,
                               const std::optional<FixedHeader>& descriptor);

// Holds byte 0 of a home without attached processes, so that the region can be
// removed.
class RegionRemover {
 public:
  // Locks byte 0. FailedPrecondition, naming a slot, if a process is attached.
  // DeadlineExceeded if another process holds the gate for `wait`.
  static absl::StatusOr<RegionRemover> Begin(
      os::File home, absl::Duration wait = absl::InfiniteDuration());
  // The home's descriptor; nullopt if there is no sound one.
  const std::optional<FixedHeader>& descriptor() const { return descriptor_; }
  const os::ByteLock& gate() const { return gate_; }
  // Removes segment, descriptor and lock file in this order.
  absl::Status Finish();

 private:
  // Behind a pointer because the lock file keeps a pointer to it.
  std::unique_ptr<os::File> home_;
  os::ByteLock gate_;
  std::optional<FixedHeader> descriptor_;
};

}  // namespace mpool::region

#endif  // MPOOL_REGION_REMOVE_H_
