// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "os/backing/address_space.h"

#include <errno.h>
#include <sys/mman.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "os/status.h"
#include "os/syscalls.h"

namespace mpool::os {

void LeaveOutOfDumps(std::byte* base, uint64_t size_bytes) {
  Sys().madvise(base, size_bytes, MADV_DONTDUMP);
}

absl::StatusOr<std::byte*> MapBytes(uint64_t size_bytes, int protection,
                                    int flags, int fd, std::string_view what) {
  void* address = Sys().mmap(nullptr, size_bytes, protection, flags, fd, 0);
  if (address == MAP_FAILED) {
    const int error = errno;
    std::string advice;
    if (error == ENOMEM) {
      advice = absl::StrCat(size_bytes,
                            " bytes of address space are needed; raise the "
                            "limit (ulimit -v), or ask for a smaller largest "
                            "cache");
    }
    return ErrnoToStatus(error, "map region", what, advice);
  }
  std::byte* base = static_cast<std::byte*>(address);
  LeaveOutOfDumps(base, size_bytes);
  return base;
}

}  // namespace mpool::os
