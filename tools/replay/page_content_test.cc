// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "tools/replay/page_content.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace mpool::tools {
namespace {

using testing::HasSubstr;

TEST(PageContentTest, PageMatchesOnlyItsIdentity) {
  std::vector<std::byte> page(512);
  FillPage({11, 22, 33}, page);
  EXPECT_EQ(CheckPage({11, 22, 33}, page), "");
  EXPECT_THAT(CheckPage({12, 22, 33}, page), HasSubstr("another file"));
  EXPECT_THAT(CheckPage({11, 23, 33}, page), HasSubstr("it is page 22"));
  EXPECT_THAT(CheckPage({11, 22, 34}, page),
              HasSubstr("version 33 instead of 34"));
}

TEST(PageContentTest, EveryChangedByteIsFound) {
  std::vector<std::byte> page(512);
  FillPage({1, 2, 3}, page);
  for (std::byte& byte : page) {
    byte ^= std::byte{0x10};
    ASSERT_NE(CheckPage({1, 2, 3}, page), "");
    byte ^= std::byte{0x10};
  }
  EXPECT_EQ(CheckPage({1, 2, 3}, page), "");
}

TEST(PageContentTest, TornPageIsFound) {
  std::vector<std::byte> before(4096);
  std::vector<std::byte> after(4096);
  FillPage({1, 2, 3}, before);
  FillPage({1, 2, 4}, after);
  for (size_t cut = 64; cut < after.size(); cut += 512) {
    std::vector<std::byte> torn = after;
    std::copy(before.begin() + static_cast<int64_t>(cut), before.end(),
              torn.begin() + static_cast<int64_t>(cut));
    EXPECT_THAT(CheckPage({1, 2, 4}, torn), HasSubstr("CRC"));
  }
}

TEST(PageContentTest, ZeroPageIsWrong) {
  EXPECT_THAT(CheckPage({1, 2, 0}, std::vector<std::byte>(512)),
              HasSubstr("no magic"));
}

}  // namespace
}  // namespace mpool::tools
