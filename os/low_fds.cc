// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "os/low_fds.h"

#include <fcntl.h>

#include <cstddef>

#include "os/syscalls.h"

namespace mpool::os {

LowFds::LowFds() {
  for (int low = 0; low < kFirstOwnFd; ++low) {
    if (Sys().fcntl_get(low, F_GETFD) >= 0) continue;
    const int fd = Sys().open("/", O_PATH | O_CLOEXEC, 0);
    if (fd >= kFirstOwnFd) Sys().close(fd);
    if (fd < 0 || fd >= kFirstOwnFd) return;
    taken_[static_cast<size_t>(fd)] = true;
  }
}

LowFds::~LowFds() {
  for (int low = 0; low < kFirstOwnFd; ++low) {
    // The program may have put a descriptor of its own there.
    if (taken_[static_cast<size_t>(low)] &&
        (Sys().fcntl_get(low, F_GETFL) & O_PATH) != 0) {
      Sys().close(low);
    }
  }
}

}  // namespace mpool::os
