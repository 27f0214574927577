// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// address_space.h - maps the address space of a region.

#ifndef MPOOL_OS_BACKING_ADDRESS_SPACE_H_
#define MPOOL_OS_BACKING_ADDRESS_SPACE_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "absl/status/statusor.h"

namespace mpool::os {

// Excludes the memory from core dumps, because a process keeps its locks as
// long as it dumps gigabytes of cache.
void LeaveOutOfDumps(std::byte* base, uint64_t size_bytes);

// Maps address space with `protection`; `fd` is -1 for memory without a file.
absl::StatusOr<std::byte*> MapBytes(uint64_t size_bytes, int protection,
                                    int flags, int fd, std::string_view what);

}  // namespace mpool::os

#endif  // MPOOL_OS_BACKING_ADDRESS_SPACE_H_
