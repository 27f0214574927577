// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// limits.h - the largest counts and sizes.

#ifndef MPOOL_REGION_LIMITS_H_
#define MPOOL_REGION_LIMITS_H_

#include <cstdint>

namespace mpool {

// Slots are numbered from 1. Thread ids 1..kMaxProcesses belong to the
// processes themselves (to join, register threads and close). The other ids
// belong to threads. All ids fit the 12 owner bits of a state word.
inline constexpr uint32_t kMaxProcesses = 256;
inline constexpr uint32_t kMaxThreads = 4094;
inline constexpr uint32_t kThreadsPerBlock = 64;
inline constexpr uint32_t kThreadBlocks =
    (kMaxThreads - kMaxProcesses + kThreadsPerBlock - 1) / kThreadsPerBlock;

// Ledger entries in a thread's slot, in an overflow block, and per thread.
inline constexpr uint32_t kLedgerEntries = 32;
inline constexpr uint32_t kLedgerOverflowEntries = 510;
inline constexpr uint32_t kMaxPinsPerThread = 65536;
inline constexpr uint32_t kMaxOverflows =
    kMaxPinsPerThread / kLedgerOverflowEntries + 1;

// Pages that a thread may change at a time under atomic update.
inline constexpr uint32_t kMaxImagesPerThread = 1024;

inline constexpr uint32_t kMaxFiles = 4096;
inline constexpr uint32_t kMaxPathBytes = 4096;

inline constexpr uint32_t kMinPageBytes = 512;
inline constexpr uint32_t kMaxPageBytes = 65536;
inline constexpr uint32_t kPageClasses = 8;  // powers of two in between
inline constexpr uint32_t kMinFrames = 16;

// Size of a cache line, and the unit of frame indexes: a buffer header has the
// region offset index * 64.
inline constexpr uint32_t kLineBytes = 64;

}  // namespace mpool

#endif  // MPOOL_REGION_LIMITS_H_
