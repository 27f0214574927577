// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// page_lsn.h - the log position (LSN) in a page of a file that has LSNs.

#ifndef MPOOL_MPOOL_PAGE_PAGE_LSN_H_
#define MPOOL_MPOOL_PAGE_PAGE_LSN_H_

#include <cstddef>
#include <cstring>
#include <span>

#include "mpool/files/file_entry.h"
#include "mpool/types.h"

namespace mpool::internal {

static_assert(sizeof(Lsn) == 8);

// Returns the place of the LSN in the page; nullptr if the file has none.
inline std::byte* LsnIn(const FileEntry& entry, std::span<std::byte> page) {
  const uint32_t place = entry.lsn_place.load(std::memory_order_relaxed);
  return place == 0 || place - 1 + sizeof(Lsn) > page.size()
             ? nullptr
             : page.data() + place - 1;
}

inline Lsn LoadLsn(const FileEntry& entry, std::span<std::byte> page) {
  Lsn lsn;
  if (const std::byte* at = LsnIn(entry, page)) {
    std::memcpy(&lsn, at, sizeof(lsn));
  }
  return lsn;
}

inline void StoreLsn(const FileEntry& entry, std::span<std::byte> page,
                     Lsn lsn) {
  if (std::byte* at = LsnIn(entry, page)) std::memcpy(at, &lsn, sizeof(lsn));
}

}  // namespace mpool::internal

#endif  // MPOOL_MPOOL_PAGE_PAGE_LSN_H_
