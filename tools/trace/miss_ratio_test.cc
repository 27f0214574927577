// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "tools/trace/miss_ratio.h"

#include <cmath>
#include <random>
#include <vector>

#include "gtest/gtest.h"
#include "tools/trace/simulator.h"
#include "tools/trace/trace.h"

namespace mpool::tools {
namespace {

TEST(MissRatioTest, EveryPointEqualsTheLruSimulation) {
  std::mt19937 random(7);
  std::vector<uint32_t> pages;
  for (int i = 0; i < 5000; ++i) {
    const double skewed =
        std::pow(std::generate_canonical<double, 32>(random), 3);
    pages.push_back(static_cast<uint32_t>(skewed * 300));
  }
  const MissRatioCurve curve(pages);
  for (uint64_t frames = 1; frames <= 310; ++frames) {
    ASSERT_EQ(curve.HitsAt(frames), LruHits(pages, frames)) << frames;
  }
}

TEST(MissRatioTest, BundledTraceEqualsTheLruSimulation) {
  const absl::StatusOr<Trace> trace =
      ReadTrace(MPOOL_SOURCE_DIR "/traces/sqlite-htap.pt.gz");
  ASSERT_TRUE(trace.ok()) << trace.status();
  const MissRatioCurve curve(trace->pages);
  for (const uint64_t frames : {1u, 64u, 123u, 614u, 1229u, 12288u}) {
    EXPECT_EQ(curve.HitsAt(frames), LruHits(trace->pages, frames)) << frames;
  }
}

TEST(MissRatioTest, CurveEndsAtTheLargestUsefulSize) {
  const MissRatioCurve curve(std::vector<uint32_t>{0, 1, 2, 1, 0});
  EXPECT_EQ(curve.HitsAt(0), 0u);
  EXPECT_EQ(curve.HitsAt(1), 0u);
  EXPECT_EQ(curve.HitsAt(2), 1u);
  EXPECT_EQ(curve.HitsAt(3), 2u);
  EXPECT_EQ(curve.HitsAt(1000), 2u);
  EXPECT_EQ(curve.largest_useful_frames(), 3u);
  EXPECT_DOUBLE_EQ(curve.MissRatioAt(3), 0.6);
}

TEST(MissRatioTest, TraceWithoutReuseAlwaysMisses) {
  const MissRatioCurve curve(std::vector<uint32_t>{0, 1, 2});
  EXPECT_EQ(curve.HitsAt(100), 0u);
  EXPECT_EQ(curve.largest_useful_frames(), 0u);
  EXPECT_DOUBLE_EQ(MissRatioCurve({}).MissRatioAt(5), 1);
}

}  // namespace
}  // namespace mpool::tools
