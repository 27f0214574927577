// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// mounts.h - small file systems that only one child process sees, its separate
// namespaces, and a child without rights. Needs root, or a kernel that lets
// users make namespaces. The calling process must have one thread.

#ifndef MPOOL_TESTS_SUPPORT_MOUNTS_H_
#define MPOOL_TESTS_SUPPORT_MOUNTS_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"

namespace mpool::test {

// Gives the process its own mount namespace.
absl::Status EnterOwnMounts();
// Mounts an empty file system of that size over `directory`.
// REQUIRES: EnterOwnMounts.
absl::Status MountTmpfs(const std::string& directory, uint64_t size_bytes);
// Mounts an overlay of two directories over `directory`. `work` is an empty
// directory beside `upper`. REQUIRES: EnterOwnMounts.
absl::Status MountOverlay(const std::string& lower, const std::string& upper,
                          const std::string& work,
                          const std::string& directory);
// Makes a sparse file with an empty file system by mkfs.`kind`, which may have
// options.
absl::Status MakeImage(const std::string& image, uint64_t size_bytes,
                       const std::string& kind);
// Keeps other tests away from the loop devices, so that their numbers depend on
// this test alone. Does nothing without root.
class LoopDevices {
 public:
  LoopDevices();
  ~LoopDevices();
  LoopDevices(const LoopDevices&) = delete;
  LoopDevices& operator=(const LoopDevices&) = delete;

 private:
  int fd_;
};
// Mounts an image through a loop device. Needs root.
// REQUIRES: EnterOwnMounts, LoopDevices.
absl::Status MountImage(const std::string& image, const std::string& directory,
                        const std::string& options = "loop");
absl::Status Unmount(const std::string& directory);
// Enters a mount namespace with an empty /dev/shm, as in another container.
absl::Status EnterOwnShm();

// Enters a namespace with its own System V memory and message queues.
absl::Status EnterOwnIpc();
// Gives the next child of the process pid 1. /proc/self does not exist for it.
absl::Status EnterOwnPids();
// Mounts a /proc of the process's own PID namespace.
// REQUIRES: EnterOwnMounts, and the process has pid 1.
absl::Status MountProc();
// Gives the next child of the process a monotonic clock that is ahead.
absl::Status EnterOwnClock(int64_t ahead_seconds);

// Drops all rights of a root process. Returns Ok in other processes.
absl::Status DropRights();

}  // namespace mpool::test

#endif  // MPOOL_TESTS_SUPPORT_MOUNTS_H_
