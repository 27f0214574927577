// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// resize.h - the parts that the tests of Resize share.

#ifndef MPOOL_TESTS_SUPPORT_RESIZE_H_
#define MPOOL_TESTS_SUPPORT_RESIZE_H_

#include <sys/stat.h>

#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "os/status.h"
#include "tests/support/all_backings.h"
#include "tests/support/pages.h"
#include "tests/support/status_matchers.h"

namespace mpool {

inline constexpr uint64_t kMiB = uint64_t{1} << 20;
inline constexpr uint64_t kMost = 8 * kMiB;
inline constexpr PageNo kPagesPerMiB = kMiB / 4096;

// Returns the resident page bytes of the region, touched by any process.
inline uint64_t ResidentBytes(const std::string& segment, Backing backing,
                              const std::string& home) {
  if (backing == Backing::kSysV) return os::IpcsOf(segment).resident;
  struct stat info = {};
  const std::string path = os::SegmentFile(backing, home, segment);
  EXPECT_EQ(::stat(path.c_str(), &info), 0) << path;
  return static_cast<uint64_t>(info.st_blocks) * 512;
}

inline void FillPages(MPoolFile& file, PageNo count, std::string_view text) {
  for (PageNo page = 0; page < count; ++page) {
    ASSERT_THAT(test::PutText(file, page, absl::StrCat(os::Abs(text), page)),
                test::IsOk());
  }
}

inline void ExpectPages(MPoolFile& file, PageNo count, std::string_view text) {
  for (PageNo page = 0; page < count; ++page) {
    ASSERT_EQ(test::GetText(file, page), absl::StrCat(os::Abs(text), page));
  }
}

}  // namespace mpool

#endif  // MPOOL_TESTS_SUPPORT_RESIZE_H_
