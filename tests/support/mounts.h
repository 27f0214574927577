// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// mounts.h - small file systems that only one child process sees, namespaces of
// its own, and a child without rights. Needs root, or a kernel that lets users
// make namespaces. Each is for a process of one thread.

#ifndef MPOOL_TESTS_SUPPORT_MOUNTS_H_
#define MPOOL_TESTS_SUPPORT_MOUNTS_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"

namespace mpool::test {

// Gives the process mounts of its own.
absl::Status EnterOwnMounts();
// An empty file system of that size, in the process's own mounts, over
// `directory`. REQUIRES: EnterOwnMounts.
absl::Status MountTmpfs(const std::string& directory, uint64_t size_bytes);
// An overlay of two directories over `directory`; `work` is an empty one beside
// `upper`. REQUIRES: EnterOwnMounts.
absl::Status MountOverlay(const std::string& lower, const std::string& upper,
                          const std::string& work,
                          const std::string& directory);
// A sparse file with an empty file system: mkfs.KIND, perhaps with options.
absl::Status MakeImage(const std::string& image, uint64_t size_bytes,
                       const std::string& kind);
// Keeps other tests from the loop devices, so that their numbers are as this
// one makes them. Nothing without root.
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
// Mounts of its own, with an empty /dev/shm, as in another container.
absl::Status EnterOwnShm();

// System V shared memory and message queues of its own.
absl::Status EnterOwnIpc();
// The next child of the process has pid 1, and /proc/self is not there for it.
absl::Status EnterOwnPids();
// The next child of the process has a monotonic clock that is ahead.
absl::Status EnterOwnClock(int64_t ahead_seconds);

// Turns a process of root into one that has no rights; Ok for others.
absl::Status DropRights();

}  // namespace mpool::test

#endif  // MPOOL_TESTS_SUPPORT_MOUNTS_H_
