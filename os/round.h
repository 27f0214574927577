// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// round.h - rounding of sizes to whole units.

#ifndef MPOOL_OS_ROUND_H_
#define MPOOL_OS_ROUND_H_

#include <cstdint>

namespace mpool::os {

// Unit, in bytes, in which the kernel gives and reclaims memory.
inline constexpr uint64_t kSystemPage = 4096;

constexpr uint64_t RoundUp(uint64_t value, uint64_t unit = kSystemPage) {
  return (value + unit - 1) / unit * unit;
}

}  // namespace mpool::os

#endif  // MPOOL_OS_ROUND_H_
