// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// process.h - who a process is, for people to read. Whether it lives is known
// by its life lock alone (lock_file.h).

#ifndef MPOOL_OS_PROCESS_H_
#define MPOOL_OS_PROCESS_H_

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace mpool::os {

// The whole text of a file whose size the kernel does not tell, as in /proc.
absl::StatusOr<std::string> ReadToEnd(std::string_view path);

struct ProcessIdentity {
  int32_t pid = 0;
  uint64_t start_time = 0;         // field 22 of /proc/self/stat
  uint64_t pid_namespace = 0;      // inode of /proc/self/ns/pid
  std::array<char, 16> command{};  // NUL-terminated
};
ProcessIdentity CurrentProcess();

// 16 bytes of /proc/sys/kernel/random/boot_id: the same until the next boot.
absl::StatusOr<std::array<uint8_t, 16>> BootId();
// 16 bytes from the kernel.
std::array<uint8_t, 16> RandomId();
// Bytes of physical memory.
uint64_t PhysicalMemoryBytes();

}  // namespace mpool::os

#endif  // MPOOL_OS_PROCESS_H_
