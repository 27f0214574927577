// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// crc32.h - CRC-32 (IEEE 802.3) of bytes; a thin name over zlib's.

#ifndef MPOOL_OS_CRC32_H_
#define MPOOL_OS_CRC32_H_

#include <cstddef>
#include <cstdint>
#include <span>

namespace mpool::os {

uint32_t Crc32(std::span<const std::byte> bytes, uint32_t seed = 0);

}  // namespace mpool::os

#endif  // MPOOL_OS_CRC32_H_
