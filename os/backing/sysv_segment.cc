// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "os/backing/sysv_segment.h"

#include <errno.h>

#include <cinttypes>
#include <cstdio>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "os/backing/segment_name.h"
#include "os/process.h"
#include "os/status.h"

namespace mpool::os::sysv {

std::atomic_ref<uint64_t> MovedTo(std::byte* base, uint64_t memory_bytes) {
  return std::atomic_ref<uint64_t>(
      *reinterpret_cast<uint64_t*>(base + memory_bytes + kMovedTo));
}

uint64_t OddBytes(std::string_view prefix) {
  return kLeastOddBytes + NameHash(prefix) % (kSystemPage - kLeastOddBytes);
}

absl::Status Failed(int error, std::string_view what, std::string_view name,
                    std::string_view advice) {
  return ErrnoToStatus(error, what, absl::StrCat("System V ", Abs(name)),
                       advice);
}

absl::StatusOr<std::byte*> Attach(int id, int flags, uint64_t bytes,
                                  std::string_view name) {
  void* base = Sys().shmat(id, nullptr, flags);
  if (reinterpret_cast<intptr_t>(base) != -1) {
    return static_cast<std::byte*>(base);
  }
  return Failed(errno, "map region", name,
                errno != ENOMEM
                    ? ""
                    : absl::StrCat(bytes,
                                   " bytes of address space are needed; raise "
                                   "the limit (ulimit -v), or ask for a "
                                   "smaller largest cache"));
}

absl::StatusOr<Segment> Look(int id, std::string_view what) {
  Segment segment;
  segment.id = id;
  if (Sys().shmctl(id, IPC_STAT, &segment.state) != 0) {
    return Failed(errno, "look at segment", what,
                  "use the environment as the user who made it");
  }
  const uint64_t room = segment.state.shm_segsz % kSystemPage;
  if (room < kLeastOddBytes) {
    segment.name = "another's";
    return segment;
  }
  MPOOL_ASSIGN_OR_RETURN(
      std::byte* const base,
      Attach(id, SHM_RDONLY, segment.memory_bytes(), what));
  const char* text =
      reinterpret_cast<const char*>(base) + segment.memory_bytes();
  segment.name = std::string(text, ::strnlen(text, kMovedTo));
  const uint64_t moved_to = MovedTo(base, segment.memory_bytes()).load();
  if (moved_to != 0) segment.name = WithDevice(segment.name, moved_to);
  Sys().shmdt(base);
  return segment;
}

absl::Status Discard(const Segment& segment) {
  if (Sys().shmctl(segment.id, IPC_RMID, nullptr) == 0 || errno == EIDRM ||
      errno == EINVAL) {
    return absl::OkStatus();
  }
  return Failed(errno, "remove segment", segment.name,
                "remove it as the user who made it, or with ipcrm -m");
}

std::vector<Listed> AllSegments() {
  std::vector<Listed> all;
  const absl::StatusOr<std::string> text = ReadToEnd("/proc/sysvipc/shm");
  if (!text.ok()) return all;
  for (const absl::string_view line : absl::StrSplit(*text, '\n')) {
    Listed one;
    uint64_t swap = 0;
    if (std::sscanf(std::string(line).c_str(),
                    "%" SCNd32 " %d %*s %" SCNu64
                    " %*s %*s %*s %*s %*s %" SCNu32 " %" SCNu32
                    " %*s %*s %*s %" SCNu64 " %" SCNu64,
                    &one.key, &one.id, &one.size, &one.user, &one.group,
                    &one.resident, &swap) == 7) {
      one.resident += swap;
      all.push_back(one);
    }
  }
  return all;
}

}  // namespace mpool::os::sysv
