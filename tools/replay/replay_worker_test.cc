// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "tools/replay/replay_worker.h"

#include <cstdint>

#include "gtest/gtest.h"

namespace mpool::tools {
namespace {

TEST(WriteShareTest, SeededShareOfReferencesWrites) {
  constexpr uint64_t kReferences = 20000;
  Trace reads;
  reads.pages.assign(kReferences, 0);
  reads.dirties.assign(kReferences, false);
  Trace trace = reads;
  for (uint64_t i = 0; i < kReferences; i += 5) trace.dirties[i] = true;
  const auto writes = [](const Trace& of, double percent, uint64_t seed) {
    uint64_t count = 0;
    for (uint64_t i = 0; i < of.pages.size(); ++i) {
      count += IsWrite(of, {.write_percent = percent, .seed = seed}, i);
    }
    return count;
  };
  EXPECT_EQ(writes(reads, 0, 1), 0u);
  EXPECT_EQ(writes(reads, 100, 1), kReferences);
  EXPECT_NEAR(static_cast<double>(writes(reads, 30, 1)), 6000, 300);
  EXPECT_EQ(writes(reads, 30, 1), writes(reads, 30, 1));
  EXPECT_NE(writes(reads, 30, 1), writes(reads, 30, 2));
  EXPECT_GT(writes(trace, 30, 1), writes(reads, 30, 1));
}

}  // namespace
}  // namespace mpool::tools
