// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// leave.h - ends the attachment of a process.
//
// Crash:  thread slots are free and the process slot is live, or all are free.
//         In the first case the process is dead, and others repair its slot.

#ifndef MPOOL_REGION_LEAVE_H_
#define MPOOL_REGION_LEAVE_H_

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "os/lock_file.h"
#include "region/home_files.h"
#include "region/members.h"
#include "region/memory.h"
#include "region/options.h"

namespace mpool::region {

class Leaver {
 public:
  // The fate of a region without a name when its last process leaves.
  enum class Unnamed { kEnd, kKeep };

  Leaver(Memory& memory, HomeFiles& home_files, Members& members, bool named)
      : memory_(memory),
        home_files_(home_files),
        members_(members),
        named_(named) {}

  // Locks byte 0 and returns the lock. Sets *is_last to true if no other
  // process is attached. Fails if byte 0 cannot be locked. DeadlineExceeded if
  // another process holds it for `wait`.
  absl::StatusOr<os::ByteLock> Begin(bool* is_last, absl::Duration wait);
  // Frees the slots, then drops the gate. kEnd: the last leaver ends a region
  // without a name. REQUIRES: no thread of the process uses the region,
  // now or later. Not checkable: threads do not announce that they use it.
  void Leave(os::ByteLock gate, Unnamed unnamed);

 private:
  Memory& memory_;
  HomeFiles& home_files_;
  Members& members_;
  const bool named_;
};

}  // namespace mpool::region

#endif  // MPOOL_REGION_LEAVE_H_
