// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "tools/report/svg.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace mpool::tools {
namespace {

using testing::ElementsAre;

TEST(SvgTest, NumbersAreGroupedAndRounded) {
  EXPECT_EQ(Grouped(0), "0");
  EXPECT_EQ(Grouped(999), "999");
  EXPECT_EQ(Grouped(1000), "1,000");
  EXPECT_EQ(Grouped(1234567), "1,234,567");
  EXPECT_EQ(Short(10), "10");
  EXPECT_EQ(Short(0.5), "0.5");
  EXPECT_EQ(Short(-0.00001), "0");
  EXPECT_EQ(Fixed(2.345, 1), "2.3");
}

TEST(SvgTest, TicksAreRoundAndCoverTheMaximum) {
  EXPECT_THAT(NiceTicks(94.1, 6), ElementsAre(0, 20, 40, 60, 80, 100));
  EXPECT_THAT(NiceTicks(100, 6), ElementsAre(0, 20, 40, 60, 80, 100));
  EXPECT_THAT(NiceTicks(9, 4), ElementsAre(0, 5, 10));
}

TEST(SvgTest, ScalesMapBothEnds) {
  const Scale linear = {.low = 0, .high = 10, .from = 100, .to = 0};
  EXPECT_DOUBLE_EQ(linear(0), 100);
  EXPECT_DOUBLE_EQ(linear(2.5), 75);
  const Scale log = {
      .low = 1, .high = 100, .from = 0, .to = 10, .is_log = true};
  EXPECT_DOUBLE_EQ(log(10), 5);
  EXPECT_DOUBLE_EQ(log(100), 10);
}

}  // namespace
}  // namespace mpool::tools
