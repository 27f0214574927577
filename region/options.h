// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// options.h - how a process wants its region.

#ifndef MPOOL_REGION_OPTIONS_H_
#define MPOOL_REGION_OPTIONS_H_

#include <cstdint>
#include <optional>

#include "absl/time/time.h"
#include "mpool/types.h"

namespace mpool::region {

struct RegionOptions {
  Backing backing{};
  std::optional<int> sysv_key{};
  Policy policy{};
  uint64_t cache_bytes = 0;
  uint64_t max_cache_bytes = 0;
  bool max_is_default = false;  // of max_cache_bytes
  uint64_t size_bytes = 0;      // of header and heap, at creation
  uint64_t heap_limit = 0;      // largest size of both; 0: reserved_bytes
  uint64_t tail_bytes = 0;      // of memory beyond heap_limit, at creation
  uint64_t reserved_bytes = 0;  // of address space
  int mode = 0600;
  bool shared = true;  // false: memory of this process alone, no files
  // False: only this process and its forked children share it, without files.
  bool named = true;
  bool create = true;
  absl::Duration wait = absl::InfiniteDuration();  // for the gate
  bool huge_pages = true;
  bool prefault = false;
  bool lock_memory = false;
  uint32_t signature = 0;
};

}  // namespace mpool::region

#endif  // MPOOL_REGION_OPTIONS_H_
