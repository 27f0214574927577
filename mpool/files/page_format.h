// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// page_format.h - where the pages lie in a page file.
//
// Page n is the bytes [n x page size, (n + 1) x page size) of the file. A last
// part that is shorter than a page (a partial page) is no page. An LSN is
// stored in the page, see FileEntry::lsn_place.

#ifndef MPOOL_MPOOL_FILES_PAGE_FORMAT_H_
#define MPOOL_MPOOL_FILES_PAGE_FORMAT_H_

#include <cstdint>

#include "os/assert.h"

namespace mpool::internal {

// Returns the offset of the page in its file.
constexpr uint64_t OffsetOf(uint64_t page, uint64_t page_bytes) {
  return page * page_bytes;
}

// Returns the number of whole pages in `size_bytes`.
// REQUIRES: page_bytes is not 0.
constexpr uint64_t PagesIn(uint64_t size_bytes, uint64_t page_bytes) {
  MPOOL_ASSERT(page_bytes != 0);
  return size_bytes / page_bytes;
}

// Returns the bytes of the partial page at the end of `size_bytes`.
// REQUIRES: page_bytes is not 0.
constexpr uint64_t PartialBytes(uint64_t size_bytes, uint64_t page_bytes) {
  MPOOL_ASSERT(page_bytes != 0);
  return size_bytes % page_bytes;
}

// Returns the bytes of the whole pages in `size_bytes`.
// REQUIRES: page_bytes is not 0.
constexpr uint64_t WholeBytes(uint64_t size_bytes, uint64_t page_bytes) {
  MPOOL_ASSERT(page_bytes != 0);
  return size_bytes - PartialBytes(size_bytes, page_bytes);
}

// Returns FileEntry::lsn_place of an offset in the page, or of -1.
constexpr uint32_t LsnPlaceOf(int lsn_offset) {
  return static_cast<uint32_t>(lsn_offset + 1);
}
// Returns the offset of the LSN in the page, or -1.
constexpr int64_t LsnOffsetOf(uint32_t lsn_place) {
  return int64_t{lsn_place} - 1;
}

}  // namespace mpool::internal

#endif  // MPOOL_MPOOL_FILES_PAGE_FORMAT_H_
