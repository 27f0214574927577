// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "os/assert.h"

#include <gtest/gtest.h>

namespace mpool::os {
namespace {

TEST(AssertTest, TrueConditionIsSilent) { MPOOL_ASSERT(1 + 1 == 2); }

#ifdef NDEBUG
TEST(AssertTest, ReleaseBuildsDoNotEvaluate) {
  int evaluated = 0;
  MPOOL_ASSERT(++evaluated == 1);
  EXPECT_EQ(evaluated, 0);
}
#else
TEST(AssertTest, FalseConditionAbortsNamingPlace) {
  EXPECT_DEATH(MPOOL_ASSERT(1 + 1 == 3),
               "assert_test.cc:[0-9]+: assertion failed: 1 \\+ 1 == 3");
}
#endif

TEST(AssertTest, IllegalChangeNamesWordAndValues) {
  EXPECT_DEATH(TransitionFailed("file", 1, 0xab),
               "illegal change of a file word: 0x0000000000000001 -> "
               "0x00000000000000ab");
}

}  // namespace
}  // namespace mpool::os
