// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "os/fork_marker.h"

#include <errno.h>
#include <sys/mman.h>

#include <cstddef>

#include "os/assert.h"
#include "os/status.h"
#include "os/syscalls.h"

namespace mpool::os {
namespace {

// The kernel rounds it up to a page.
constexpr size_t kMarkerBytes = 64;

}  // namespace

constinit uint32_t ForkMarker::zero = 0;

absl::Status ForkMarker::Map() {
  MPOOL_ASSERT(word_ == &zero);
  void* page = Sys().mmap(nullptr, kMarkerBytes, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) {
    return ErrnoToStatus(errno, "map a page that a fork wipes", "",
                         kRaiseAddressSpace);
  }
  word_ = static_cast<uint32_t*>(page);
  if (Sys().madvise(page, kMarkerBytes, MADV_WIPEONFORK) != 0) {
    return ErrnoToStatus(errno, "have a page wiped by a fork", "",
                         errno == EINVAL    ? "use Linux 4.14 or newer"
                         : IsRefusal(errno) ? kAllowCall
                                            : "");
  }
  return absl::OkStatus();
}

ForkMarker::~ForkMarker() {
  if (word_ != &zero) Sys().munmap(word_, kMarkerBytes);
}

}  // namespace mpool::os
