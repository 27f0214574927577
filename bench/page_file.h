// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// page_file.h - files of pages for the measurements, and the sequences of pages
// to get.

#ifndef MPOOL_BENCH_PAGE_FILE_H_
#define MPOOL_BENCH_PAGE_FILE_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"

namespace mpool::bench {

inline constexpr uint32_t kPageBytes = 4096;

// Pages to get, and the sum of their first words. The sum shows that the pages
// were read.
struct Sequence {
  explicit Sequence(std::vector<uint32_t> pages);

  std::vector<uint32_t> pages;
  uint64_t sum = 0;
};

uint64_t FirstWord(std::span<const std::byte> page);

// Creates `path`, with all blocks written and on disk, unless it exists.
absl::Status EnsurePages(const std::string& path, uint64_t page_count);

// Creates `path` without blocks: its pages read as zeros.
absl::Status MakeSparse(const std::string& path, uint64_t page_count);

// Returns `length` uniform random pages below `page_count`, the same pages at
// each call.
std::vector<uint32_t> UniformPages(size_t length, uint64_t page_count);

// Returns every page below `page_count` once, in a random order that is the
// same at each call.
std::vector<uint32_t> ShuffledPages(uint64_t page_count);

}  // namespace mpool::bench

#endif  // MPOOL_BENCH_PAGE_FILE_H_
