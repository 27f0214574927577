// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// types.h - the small types in the signatures of the API.

#ifndef MPOOL_TYPES_H_
#define MPOOL_TYPES_H_

#include <compare>
#include <cstdint>

namespace mpool {

// Number of a page in its file; pages are numbered from 0. A page number is
// below 2^48, and page number times page size is below 2^63.
using PageNo = uint64_t;

inline constexpr PageNo kMaxPageNo = (PageNo{1} << 48) - 1;

// Position in the owner's log. Ordered; zero means "none".
struct Lsn {
  uint32_t file = 0;
  uint32_t offset = 0;
  auto operator<=>(const Lsn&) const = default;
};

// Payload of the error of a call that is refused because of a panic
// (DbEnv::ClearPanic).
inline constexpr char kPanicPayload[] = "mpool/panic";

// Payload of the error of an OpenFile with another page size than that of open
// handles: their page size in bytes, as decimal text.
inline constexpr char kPageSizePayload[] = "mpool/page_size";

// Source of the shared memory of an environment.
enum class Backing {
  kPosixShm,   // shm_open; any process; the default
  // A regular file in the environment directory, on a file system that writes
  // blocks in place (env.h); any process.
  kFile,
  kSysV,       // System V shared memory; any process
  kAnonymous,  // mmap without a file; the process and its forked children
  kDevZero,    // mmap of /dev/zero; the process and its forked children
  kHeap,       // memory of one process
  // System V memory with no key, marked for removal when it is created; the
  // process and its forked children. Only ipcs -m shows the difference from
  // kAnonymous.
  kSysVPrivate,
};

// Reason for the creation of a region.
enum class Origin {
  kNew,     // no earlier region, or none that could be identified
  kReboot,  // the earlier region was of another boot of the machine
  kLost,    // the earlier memory was gone, truncated or never finished
};

// Treatment of an Open that asks for other options than the region has.
enum class Mismatch {
  kKeep,  // uses the region as it is and reports Event::Kind::kOptionsDiffer
  // Creates the region again if no process has it open and all its pages can
  // be written back. Otherwise as kKeep. The pages are then read from their
  // files again.
  kRecreateIfClean,
  kFail,  // returns FailedPrecondition, which names the differences
};

// Choice of the page to evict when a frame is needed.
enum class Policy {
  kLru,      // exact least recently used for one thread, batched for many
  kClock,    // second chance; a hit on a warm page stores nothing
  kClock2Q,  // not built yet
};

// Hold of a get on its page until the put.
enum class Latch {
  kShared,  // many readers, no writer
  kNone,    // a pin only; the caller has locks of its own
};

// Value of a page to the cache. Only kDefault and kUnchanged are built.
enum class Priority {
  kUnchanged,
  kVeryLow,
  kLow,
  kDefault,
  kHigh,
  kVeryHigh,
};

}  // namespace mpool

#endif  // MPOOL_TYPES_H_
