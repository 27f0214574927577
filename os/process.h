// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// process.h - the identity of a process, for people to read. Only the life lock
// (lock_file.h) shows if the process lives.

#ifndef MPOOL_OS_PROCESS_H_
#define MPOOL_OS_PROCESS_H_

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace mpool::os {

// Returns the whole text of a file with a size that the kernel does not report,
// as in /proc.
absl::StatusOr<std::string> ReadToEnd(std::string_view path);

struct ProcessIdentity {
  int32_t pid = 0;
  uint64_t start_time = 0;         // field 22 of /proc/self/stat
  uint64_t pid_namespace = 0;      // inode of /proc/self/ns/pid
  std::array<char, 16> command{};  // NUL-terminated
};
ProcessIdentity CurrentProcess();
// Returns the inode of /proc/self/ns/pid; 0 if it is unknown.
uint64_t OwnPidNamespace();
// Returns the name of a process of the caller's PID namespace. NotFound if
// there is no such process.
absl::StatusOr<std::string> CommandOf(int32_t pid);

// Returns the 16 bytes of /proc/sys/kernel/random/boot_id, which stay the same
// until the next boot. Returns FailedPrecondition if /proc is not mounted, and
// DataLoss if the file is not a UUID.
absl::StatusOr<std::array<uint8_t, 16>> BootId();
// Returns 16 random bytes from the kernel: from getrandom, or from /dev/urandom
// if a sandbox refuses getrandom. Returns FailedPrecondition if it refuses
// both.
absl::StatusOr<std::array<uint8_t, 16>> RandomId();
// Returns the bytes of physical memory; 0 if they are unknown.
uint64_t PhysicalMemoryBytes();

}  // namespace mpool::os

#endif  // MPOOL_OS_PROCESS_H_
