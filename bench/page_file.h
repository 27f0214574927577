// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// page_file.h - the temporary directory of a run, its page files, and the
// sequences of pages to get.

#ifndef MPOOL_BENCH_PAGE_FILE_H_
#define MPOOL_BENCH_PAGE_FILE_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace mpool::bench {

inline constexpr uint32_t kPageBytes = 4096;

// Pages to get, and the sum of their first words. The sum shows that the pages
// were read.
struct Sequence {
  explicit Sequence(std::vector<uint32_t> pages);

  std::vector<uint32_t> pages;
  uint64_t sum = 0;
};

inline uint64_t FirstWord(std::span<const std::byte> page) {
  uint64_t word;
  std::memcpy(&word, page.data(), sizeof(word));
  return word;
}

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

// Creates a new directory below $TMPDIR, or /tmp, and returns its path.
absl::StatusOr<std::string> MakeScratch();
// Creates a directory for an environment in it.
absl::StatusOr<std::string> MakeHome(const std::string& scratch);
// Removes a home before the end, because the next home needs its memory.
absl::Status RemoveHome(const std::string& home);
// Removes everything, the shared memory of the homes included.
// REQUIRES: the processes that used it have ended. Not checkable: they are not
// known.
absl::Status RemoveScratch(const std::string& scratch);

}  // namespace mpool::bench

#endif  // MPOOL_BENCH_PAGE_FILE_H_
