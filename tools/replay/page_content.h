// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// page_content.h - self-describing pages, so that each page can be verified
// alone.
//
// Layout, in the byte order of the machine: magic (8 bytes), file hash (8),
// page number (8), version (4), CRC-32 over the whole page with this field zero
// (4), filler that is derived from page number and version.

#ifndef MPOOL_TOOLS_REPLAY_PAGE_CONTENT_H_
#define MPOOL_TOOLS_REPLAY_PAGE_CONTENT_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace mpool::tools {

struct PageIdentity {
  uint64_t file_hash = 0;
  uint64_t page = 0;
  uint32_t version = 0;
};

// Returns 64 pseudo-random bits that are derived from `value` (SplitMix64).
uint64_t Mix(uint64_t value);

// Returns the file hash of a file name.
uint64_t HashName(std::string_view name);

// Writes the content of page `identity` to `bytes`.
// REQUIRES: bytes.size() is a multiple of 8 and at least 64.
void FillPage(const PageIdentity& identity, std::span<std::byte> bytes);

// Returns the error in `bytes` as the page `identity`; empty if there is none.
std::string CheckPage(const PageIdentity& identity,
                      std::span<const std::byte> bytes);

}  // namespace mpool::tools

#endif  // MPOOL_TOOLS_REPLAY_PAGE_CONTENT_H_
