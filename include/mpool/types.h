// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// types.h - the small types that every call of mpool speaks.

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

// Payload of the error of a call that was refused because the environment
// panicked (DbEnv::ClearPanic).
inline constexpr char kPanicPayload[] = "mpool/panic";

// Where the shared memory of an environment comes from.
enum class Backing {
  kPosixShm,   // shm_open; any process; the default
  // A regular file in the environment directory, on a file system that writes
  // blocks in place (env.h); any process.
  kFile,
  kSysV,       // System V shared memory; any process
  kAnonymous,  // mmap without a file; the process and its forked children
  kDevZero,    // mmap of /dev/zero; the process and its forked children
  kHeap,       // memory of one process
  // System V memory with no key, marked for removal as soon as it is made; the
  // process and its forked children. Only ipcs -m tells it from kAnonymous.
  kSysVPrivate,
};

// Why a region was made.
enum class Origin {
  kNew,     // the home had none, or nobody could tell which
  kReboot,  // the one before was of another boot of the machine
  kLost,    // the memory of the one before was gone, cut or never finished
};

// Which page is evicted when a frame is needed.
enum class Policy {
  kLru,      // exact least recently used for one thread, batched for many
  kClock,    // second chance; a hit stores nothing once the page is warm
  kClock2Q,  // not built yet
};

// What a get holds until the page is put.
enum class Latch {
  kShared,  // many readers, no writer
  kNone,    // the page stays in memory; the caller has locks of its own
};

// How long a page is worth keeping. Only kDefault and kUnchanged are built.
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
