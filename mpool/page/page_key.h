// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// page_key.h - the page that a frame holds, as one value. Shared words store
// its bits.
//
// Bits, from the top: file index 12 | file generation 4 | page 48.

#ifndef MPOOL_MPOOL_PAGE_PAGE_KEY_H_
#define MPOOL_MPOOL_PAGE_PAGE_KEY_H_

#include <compare>
#include <cstdint>
#include <type_traits>

#include "os/assert.h"
#include "region/limits.h"

namespace mpool::internal {

class PageKey {
 public:
  static constexpr int kPageBits = 48;

  constexpr PageKey() = default;
  constexpr explicit PageKey(uint64_t bits) : bits_(bits) {}
  // Returns the key of a file: the key of its page 0.
  static constexpr PageKey FileKey(uint32_t index, uint32_t generation) {
    MPOOL_ASSERT(index < kMaxFiles);
    return PageKey((uint64_t{index} << 4 | (generation & 0xf)) << kPageBits);
  }
  static constexpr PageKey Make(PageKey file_key, uint64_t page) {
    MPOOL_ASSERT(file_key.page() == 0);
    MPOOL_ASSERT(page <= kPageMask);
    return PageKey(file_key.bits_ | page);
  }

  constexpr uint64_t bits() const { return bits_; }
  constexpr uint64_t page() const { return bits_ & kPageMask; }
  constexpr PageKey file_key() const { return PageKey(bits_ & ~kPageMask); }
  constexpr uint32_t file_index() const {
    return static_cast<uint32_t>(bits_ >> (kPageBits + 4));
  }
  // Orders by file, then by page.
  friend constexpr auto operator<=>(PageKey, PageKey) = default;

 private:
  static constexpr uint64_t kPageMask = (uint64_t{1} << kPageBits) - 1;

  uint64_t bits_ = 0;
};

static_assert(std::is_trivially_copyable_v<PageKey>);
static_assert(sizeof(PageKey) == sizeof(uint64_t));

}  // namespace mpool::internal

#endif  // MPOOL_MPOOL_PAGE_PAGE_KEY_H_
