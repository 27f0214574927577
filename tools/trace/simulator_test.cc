// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "tools/trace/simulator.h"

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tools/trace/cache_sizes.h"
#include "tools/trace/trace.h"

namespace mpool::tools {
namespace {

using Pages = std::vector<uint32_t>;

// The sequence on which FIFO shows Belady's anomaly.
const Pages kBelady = {1, 2, 3, 4, 1, 2, 5, 1, 2, 3, 4, 5};
// The textbook reference string of page replacement: LRU faults 12 times and
// OPT 9 times in 3 frames.
const Pages kTextbook = {7, 0, 1, 2, 0, 3, 0, 4, 2, 3,
                         0, 3, 2, 1, 2, 0, 1, 7, 0, 1};

TEST(SimulatorTest, LruHitsMatchTheTextbook) {
  EXPECT_EQ(LruHits(kBelady, 3), 2u);
  EXPECT_EQ(LruHits(kBelady, 4), 4u);
  EXPECT_EQ(LruHits(kTextbook, 3), 8u);
}

TEST(SimulatorTest, OptHitsMatchTheTextbook) {
  EXPECT_EQ(OptHits(kBelady, 3), 5u);
  EXPECT_EQ(OptHits(kBelady, 4), 6u);
  EXPECT_EQ(OptHits(kTextbook, 3), 11u);
}

TEST(SimulatorTest, HitPageSurvivesOneClockRound) {
  // 1 is hit, so 3 takes the frame of 2; FIFO would have taken that of 1.
  EXPECT_EQ(ClockHits(Pages{1, 2, 1, 3, 1}, 2), 2u);
  // The first victim search cleared the bit of 1. The hand meets 1 next, so
  // 4 takes its frame.
  EXPECT_EQ(ClockHits(Pages{1, 2, 1, 3, 4, 1}, 2), 1u);
}

TEST(SimulatorTest, ClockPageEntersWithItsBitClear) {
  // Nothing is hit, so CLOCK is FIFO: 3 takes the frame of 1, 4 that of 2.
  EXPECT_EQ(ClockHits(Pages{1, 2, 3, 4, 3, 4, 1}, 2), 2u);
  // Computed by hand: only the second 1 and 2 hit. Their bits keep them for one
  // round, and 5 is evicted; FIFO would still have 5.
  EXPECT_EQ(ClockHits(kBelady, 3), 2u);
}

TEST(SimulatorTest, OneFrameHitsOnlyRepeatedPages) {
  const Pages pages = {1, 1, 2, 2, 2, 1};
  EXPECT_EQ(LruHits(pages, 1), 3u);
  EXPECT_EQ(ClockHits(pages, 1), 3u);
  EXPECT_EQ(OptHits(pages, 1), 3u);
}

TEST(SimulatorTest, EnoughFramesMissOnlyFirstUses) {
  for (const auto hits : {LruHits, ClockHits, OptHits}) {
    EXPECT_EQ(hits(kBelady, 5), 7u);
    EXPECT_EQ(hits(kBelady, 1000000), 7u);
    EXPECT_EQ(hits({}, 3), 0u);
  }
}

// Returns the most hits of all choices of victims.
uint64_t BestHits(const Pages& pages, size_t at, Pages resident,
                  uint64_t frames) {
  if (at == pages.size()) return 0;
  const uint32_t page = pages[at];
  if (std::find(resident.begin(), resident.end(), page) != resident.end()) {
    return 1 + BestHits(pages, at + 1, resident, frames);
  }
  if (resident.size() < frames) {
    resident.push_back(page);
    return BestHits(pages, at + 1, resident, frames);
  }
  uint64_t best = 0;
  for (size_t victim = 0; victim < resident.size(); ++victim) {
    Pages next = resident;
    next[victim] = page;
    best = std::max(best, BestHits(pages, at + 1, next, frames));
  }
  return best;
}

TEST(SimulatorTest, OptEqualsTheBestOfAllChoices) {
  std::mt19937 random(1);
  for (int round = 0; round < 200; ++round) {
    Pages pages(10);
    for (uint32_t& page : pages) page = static_cast<uint32_t>(random() % 5);
    const uint64_t frames = 2 + random() % 2;
    EXPECT_EQ(OptHits(pages, frames), BestHits(pages, 0, {}, frames));
  }
}

struct CheckValue {
  const char* trace;
  uint64_t frames;
  uint64_t lru_hits;
  uint64_t clock_hits;
  uint64_t opt_hits;
};

class CheckValuesTest : public testing::TestWithParam<CheckValue> {};

// From traces/README.md, at 10 % of the distinct pages.
INSTANTIATE_TEST_SUITE_P(
    BundledTraces, CheckValuesTest,
    testing::Values(CheckValue{"sqlite-tpcc", 2117, 1328766, 1331115, 1411373},
                    CheckValue{"sqlite-htap", 1229, 1308899, 1310916, 1368829},
                    CheckValue{"oltp", 18688, 608101, 611175, 696639},
                    CheckValue{"orm-busy", 6073, 1720423, 1720291, 1837217}),
    [](const auto& test) {
      std::string name = test.param.trace;
      std::replace(name.begin(), name.end(), '-', '_');
      return name;
    });

TEST_P(CheckValuesTest, HitsEqualThePublishedValues) {
  const CheckValue& expected = GetParam();
  const absl::StatusOr<Trace> trace = ReadTrace(
      std::string(MPOOL_SOURCE_DIR "/traces/") + expected.trace + ".pt.gz");
  ASSERT_TRUE(trace.ok()) << trace.status();
  EXPECT_EQ(FramesForPercent(10, trace->page_count), expected.frames);
  EXPECT_EQ(LruHits(trace->pages, expected.frames), expected.lru_hits);
  EXPECT_EQ(ClockHits(trace->pages, expected.frames), expected.clock_hits);
  EXPECT_EQ(OptHits(trace->pages, expected.frames), expected.opt_hits);
}

}  // namespace
}  // namespace mpool::tools
