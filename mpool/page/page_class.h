// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// page_class.h - the class of all pages of one size. Shared words store the
// index.

#ifndef MPOOL_MPOOL_PAGE_PAGE_CLASS_H_
#define MPOOL_MPOOL_PAGE_PAGE_CLASS_H_

#include <array>
#include <bit>
#include <compare>
#include <cstdint>
#include <type_traits>

#include "os/assert.h"
#include "region/limits.h"

namespace mpool::internal {

class PageClass {
 public:
  constexpr PageClass() = default;  // none
  constexpr explicit PageClass(uint32_t index) : index_(index) {
    MPOOL_ASSERT(index < kPageClasses);
  }
  // Returns the class of a valid page size.
  static constexpr PageClass OfSize(uint32_t page_bytes) {
    MPOOL_ASSERT(std::has_single_bit(page_bytes));
    MPOOL_ASSERT(page_bytes >= kMinPageBytes);
    return PageClass(static_cast<uint32_t>(std::countr_zero(page_bytes) -
                                           std::countr_zero(kMinPageBytes)));
  }
  // Returns none if no class has this index, as in a damaged word.
  static constexpr PageClass FromStored(uint64_t index) {
    return index < kPageClasses ? PageClass(static_cast<uint32_t>(index))
                                : PageClass();
  }

  constexpr bool is_none() const { return index_ == kPageClasses; }
  // The others: REQUIRES: it is not none.
  constexpr uint32_t index() const {
    MPOOL_ASSERT(!is_none());
    return index_;
  }
  // Returns the page size: 512 << index.
  constexpr uint32_t bytes() const { return kMinPageBytes << index(); }
  // Returns its bit in a set of classes.
  constexpr uint32_t bit() const { return 1u << index(); }
  friend constexpr auto operator<=>(PageClass, PageClass) = default;

 private:
  uint32_t index_ = kPageClasses;
};

static_assert(std::is_trivially_copyable_v<PageClass>);

// All classes, in ascending order of the page size.
inline constexpr auto kAllPageClasses = [] {
  std::array<PageClass, kPageClasses> all;
  for (uint32_t i = 0; i < kPageClasses; ++i) all[i] = PageClass(i);
  return all;
}();

}  // namespace mpool::internal

#endif  // MPOOL_MPOOL_PAGE_PAGE_CLASS_H_
