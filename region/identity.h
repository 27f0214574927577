// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// identity.h - what a process slot and the gate say about their process, for
// people. Only the life lock shows if the process lives.

#ifndef MPOOL_REGION_IDENTITY_H_
#define MPOOL_REGION_IDENTITY_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "os/lock_file.h"
#include "region/layout.h"

namespace mpool::region {

// Writes the pid, the name and the clock of the calling process to its slot.
void WriteIdentity(ProcessSlot& slot);
// Returns the calling process's clock as a ProcessSlot keeps it: the
// nanoseconds by which it is ahead of the machine's clock, plus 2^63. Returns 0
// if they are unknown.
uint64_t OwnClock();
// Returns os::CoarseNs() on the clock of the slot's process. `own` is the
// caller's OwnClock(). nullopt if one of the clocks is unknown.
std::optional<uint64_t> NowOf(const ProcessSlot& slot, uint64_t own);
// Returns the name of the slot's process.
std::string CommandOf(const ProcessSlot& slot);

// Returns the name of the gate's holder, or a phrase if it is unknown.
std::string CommandOf(const os::LockHolder& holder);
// Returns "process PID (COMMAND)" for the process that holds the gate of
// `locks`, or "a process that cannot be named".
std::string DescribeGateHolder(const os::LockFile& locks);
// Returns the DeadlineExceeded of a call that has waited `wait` for the gate.
// The message begins with `what`, the call.
absl::Status GateTimeout(std::string_view what, const os::LockFile& locks,
                         absl::Duration wait);

}  // namespace mpool::region

#endif  // MPOOL_REGION_IDENTITY_H_
