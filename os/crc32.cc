// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "os/crc32.h"

#include <zlib.h>

namespace mpool::os {

uint32_t Crc32(std::span<const std::byte> bytes, uint32_t seed) {
  // crc32_z ignores `seed` and returns the initial value for a null pointer.
  if (bytes.empty()) return seed;
  return static_cast<uint32_t>(crc32_z(
      seed, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
}

}  // namespace mpool::os
