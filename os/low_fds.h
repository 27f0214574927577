// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// low_fds.h - keeps opens away from descriptors 0, 1 and 2. A program may have
// closed them, and its prints must not reach a file of the library, not even
// between an open and the move of its descriptor.

#ifndef MPOOL_OS_LOW_FDS_H_
#define MPOOL_OS_LOW_FDS_H_

#include <array>

namespace mpool::os {

inline constexpr int kFirstOwnFd = 3;

// Occupies the closed descriptors below kFirstOwnFd during its lifetime. It
// opens them with O_PATH, so that reads and writes fail with EBADF, as on a
// closed descriptor.
class LowFds {
 public:
  LowFds();
  ~LowFds();
  LowFds(const LowFds&) = delete;
  LowFds& operator=(const LowFds&) = delete;

 private:
  std::array<bool, kFirstOwnFd> taken_ = {};
};

}  // namespace mpool::os

#endif  // MPOOL_OS_LOW_FDS_H_
