// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "tools/trace/cache_sizes.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace mpool::tools {
namespace {

using testing::ElementsAre;

TEST(CacheSizesTest, PercentIsRoundedAndAtLeast64) {
  EXPECT_EQ(FramesForPercent(10, 21168), 2117u);
  EXPECT_EQ(FramesForPercent(5, 9939), 497u);
  EXPECT_EQ(FramesForPercent(25, 2529), 632u);
  EXPECT_EQ(FramesForPercent(1, 2529), 64u);
  EXPECT_EQ(FramesForPercent(1, 6400), 64u);
  EXPECT_EQ(FramesForPercent(1, 6450), 65u);
  EXPECT_EQ(FramesForPercent(100, 5), 64u);
}

TEST(CacheSizesTest, FramesStayAndPercentsBecomeFrames) {
  const CacheSizes sizes = {.frames = {16, 99}, .percents = {1, 25}};
  EXPECT_THAT(sizes.FramesFor(10000), ElementsAre(16, 99, 100, 2500));
}

}  // namespace
}  // namespace mpool::tools
