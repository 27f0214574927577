// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// sysv_segment.h - the System V segments of this machine, and the names that
// those of mpool carry behind their memory; see sysv.cc.

#ifndef MPOOL_OS_BACKING_SYSV_SEGMENT_H_
#define MPOOL_OS_BACKING_SYSV_SEGMENT_H_

#include <sys/shm.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "os/round.h"
#include "os/syscalls.h"

namespace mpool::os::sysv {

// The minimum size of the part behind the memory, which holds the name.
inline constexpr uint64_t kLeastOddBytes = 512;
// Where the home's device number is if it is not the number in the name: 8
// bytes behind the name, which change in one store.
inline constexpr uint64_t kMovedTo = 128;
static_assert(kMovedTo + sizeof(uint64_t) <= kLeastOddBytes);

// Returns the place of that number.
std::atomic_ref<uint64_t> MovedTo(std::byte* base, uint64_t memory_bytes);
// Returns the size of the part behind the memory for a home.
uint64_t OddBytes(std::string_view prefix);

struct Segment {
  int id = -1;
  shmid_ds state = {};
  std::string name;  // as found behind the memory; empty if half-made

  uint64_t memory_bytes() const {
    return state.shm_segsz / kSystemPage * kSystemPage;
  }
  bool IsMarked() const { return (state.shm_perm.mode & SHM_DEST) != 0; }
  // True if a creator of this user made it for the home and died before it
  // wrote the name.
  // REQUIRES: the key is one that such a creator would have used (not
  //           checkable: each caller compares other bits of the key).
  bool IsHalfMade(std::string_view prefix) const {
    return name.empty() && state.shm_nattch == 0 &&
           state.shm_perm.cuid == Sys().geteuid() &&
           state.shm_segsz % kSystemPage == OddBytes(prefix);
  }
};

// Returns the error of a failed call on the segment `name`.
absl::Status Failed(int error, std::string_view what, std::string_view name,
                    std::string_view advice = "");
// Maps the segment into this process. `bytes` is for the error.
absl::StatusOr<std::byte*> Attach(int id, int flags, uint64_t bytes,
                                  std::string_view name);
// Returns state and name of a segment. `what` names the segment in errors.
absl::StatusOr<Segment> Look(int id, std::string_view what);
// Removes a segment. Returns Ok if it does not exist.
absl::Status Discard(const Segment& segment);

// A line of /proc/sysvipc/shm.
struct Listed {
  int32_t key = 0;
  int id = 0;
  uint64_t size = 0;
  uint32_t user = 0;  // the creator
  uint32_t group = 0;
  uint64_t resident = 0;  // in memory or in swap
};

// Returns every segment of the IPC namespace, also those that this process may
// not read.
std::vector<Listed> AllSegments();

}  // namespace mpool::os::sysv

#endif  // MPOOL_OS_BACKING_SYSV_SEGMENT_H_
