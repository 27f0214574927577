// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// mapping.cc - operations on the memory of a mapping that do not depend on its
// backing: populate, release, lock, huge pages.

#include "os/backing/mapping.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <cinttypes>
#include <cstdio>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "os/assert.h"
#include "os/control_group.h"
#include "os/process.h"
#include "os/retry.h"
#include "os/round.h"
#include "os/status.h"
#include "os/syscalls.h"

namespace mpool::os {
namespace {

constexpr int kPopulateWrite = 23;  // MADV_POPULATE_WRITE, Linux 5.14 or newer

}  // namespace

absl::Status Mapping::CheckRange(uint64_t offset, uint64_t bytes,
                                 bool read_only) const {
  if (!read_only && bytes <= reserved_bytes_ &&
      offset <= reserved_bytes_ - bytes) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "back region from ", offset, " with ", bytes, " bytes: it is mapped ",
      read_only ? "read-only" : "writable", " with room for ",
      reserved_bytes_));
}

absl::Status Mapping::BackNew(const MappingOptions& options) {
  // Both parts together, because the first may be allocated only later.
  MPOOL_RETURN_IF_ERROR(
      CheckGroupMemory(options.size_bytes + options.tail_bytes));
  MPOOL_RETURN_IF_ERROR(Back(0, options.size_bytes));
  if (options.tail_bytes == 0) return absl::OkStatus();
  return Back(options.tail_offset, options.tail_bytes);
}

int Mapping::release_advice() const { return MADV_REMOVE; }

absl::Status Mapping::Release(uint64_t offset, uint64_t bytes) {
  MPOOL_ASSERT(offset % kSystemPage == 0 && bytes % kSystemPage == 0);
  MPOOL_RETURN_IF_ERROR(CheckRange(offset, bytes, /*read_only=*/false));
  if (bytes == 0) return absl::OkStatus();
  std::byte* const begin = base_ + offset;
  auto give = [&] {
    return RetryEintr(
        [&] { return Sys().madvise(begin, bytes, release_advice()); });
  };
  // madvise returns EINVAL for memory that this process has locked. So the
  // memory is unlocked first.
  if (give() == 0 || (errno == EINVAL && Sys().munlock(begin, bytes) == 0 &&
                      give() == 0)) {
    return absl::OkStatus();
  }
  return ErrnoToStatus(errno, "give back memory", "region",
                       absl::StrCat("its file system cannot give back ", bytes,
                                    " bytes inside a file; use kPosixShm"));
}

uint64_t Mapping::AbsentBytes(uint64_t offset, uint64_t bytes) const {
  constexpr uint64_t kMostPages = 1 << 16;  // of one call
  std::vector<unsigned char> pages(kMostPages);
  uint64_t absent = 0;
  for (uint64_t done = 0; done < bytes;) {
    const uint64_t part = std::min(bytes - done, kMostPages * kSystemPage);
    const auto end = pages.begin() +
                     static_cast<ptrdiff_t>(RoundUp(part) / kSystemPage);
    // If the kernel refuses to answer, all pages count as absent.
    std::fill(pages.begin(), end, 0);
    Sys().mincore(base_ + offset + done, part, pages.data());
    absent += kSystemPage * static_cast<uint64_t>(std::count_if(
        pages.begin(), end, [](unsigned char bits) { return bits % 2 == 0; }));
    done += part;
  }
  return std::min(absent, bytes);
}

absl::Status Mapping::Populate(uint64_t offset, uint64_t size_bytes) {
  MPOOL_RETURN_IF_ERROR(CheckGroupMemory(AbsentBytes(offset, size_bytes)));
  std::byte* const begin = base_ + offset;
  const int done = RetryEintr(
      [&] { return Sys().madvise(begin, size_bytes, kPopulateWrite); });
  if (done == 0) return absl::OkStatus();
  if (errno == EINVAL || IsRefusal(errno)) {
    // Before Linux 5.14, and in a sandbox, each page is touched. The kernel
    // kills the process if it has no memory for a page. A system page larger
    // than kSystemPage is touched more than once.
    for (uint64_t at = 0; at < size_bytes; at += kSystemPage) {
      std::atomic_ref<char>(reinterpret_cast<char&>(begin[at])).fetch_or(0);
    }
    return absl::OkStatus();
  }
  // EFAULT means that a touch would raise SIGBUS.
  return ErrnoToStatus(errno == EFAULT ? ENOMEM : errno, "reserve memory",
                       "region",
                       absl::StrCat("it needs ", size_bytes,
                                    " bytes; free memory, raise the limit of "
                                    "the control group, or ask for a smaller "
                                    "cache"));
}

absl::Status Mapping::LockMemory(uint64_t offset, uint64_t size_bytes) {
  if (Sys().mlock(base_ + offset, size_bytes) == 0) return absl::OkStatus();
  return CannotLock(errno, size_bytes);
}

// mlock returns EPERM if the limit is 0, and ENOMEM if the limit is too low.
absl::Status Mapping::CannotLock(int error, uint64_t size_bytes) {
  rlimit limit = {};
  Sys().getrlimit(RLIMIT_MEMLOCK, &limit);
  const absl::Status refused = ErrnoToStatus(
      error, "lock memory", "region",
      absl::StrCat("EnvOptions::lock_memory needs ", size_bytes,
                   " bytes, and RLIMIT_MEMLOCK lets this process lock ",
                   static_cast<uint64_t>(limit.rlim_cur),
                   "; raise it (ulimit -l, LimitMEMLOCK= of a service), give "
                   "CAP_IPC_LOCK, or ask for a smaller cache"));
  if (error != EPERM) return refused;
  return absl::ResourceExhaustedError(refused.message());
}

void Mapping::AdviseHugePages() {
  Sys().madvise(base_, reserved_bytes_, MADV_HUGEPAGE);
}

uint64_t Mapping::HugeBytes() const {
  const absl::StatusOr<std::string> text = ReadToEnd("/proc/self/smaps");
  if (!text.ok()) return 0;
  const auto begin = reinterpret_cast<uintptr_t>(base_);
  uint64_t kilobytes = 0;
  bool inside = false;
  for (const absl::string_view line : absl::StrSplit(*text, '\n')) {
    uintptr_t first = 0;
    uintptr_t last = 0;
    uint64_t amount = 0;
    const std::string copy(line);
    if (std::sscanf(copy.c_str(), "%" SCNxPTR "-%" SCNxPTR " ", &first,
                    &last) == 2) {
      inside = first >= begin && first < begin + reserved_bytes_;
    } else if (inside &&
               (absl::StartsWith(line, "AnonHugePages:") ||
                absl::StartsWith(line, "ShmemPmdMapped:") ||
                absl::StartsWith(line, "FilePmdMapped:")) &&
               std::sscanf(copy.c_str(), "%*s %" SCNu64, &amount) == 1) {
      kilobytes += amount;
    }
  }
  return kilobytes * 1024;
}

}  // namespace mpool::os
