// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// page_file.h - files of pages to measure with, and which of their pages are
// asked for.

#ifndef MPOOL_BENCH_PAGE_FILE_H_
#define MPOOL_BENCH_PAGE_FILE_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"

namespace mpool::bench {

// The first word of a page, by which a sum over a sequence shows that its pages
// were read.
uint64_t WordOf(uint64_t page);
uint64_t SumOf(std::span<const uint32_t> pages);

// Makes `path`, all blocks written and on disk, unless it is there.
absl::Status EnsurePages(const std::string& path, uint64_t page_count);

// Makes `path` without blocks: its pages read as zeros.
absl::Status MakeSparse(const std::string& path, uint64_t page_count);

// `length` uniform random pages below `page_count`, the same ones every time.
std::vector<uint32_t> UniformPages(size_t length, uint64_t page_count);

// Every page below `page_count` once, in a random order, the same every time.
std::vector<uint32_t> ShuffledPages(uint64_t page_count);

}  // namespace mpool::bench

#endif  // MPOOL_BENCH_PAGE_FILE_H_
