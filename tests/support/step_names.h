// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// step_names.h - the steps of the library as its sources name them, so that a
// test that kills at each of them sees a new one at once.

#ifndef MPOOL_TESTS_SUPPORT_STEP_NAMES_H_
#define MPOOL_TESTS_SUPPORT_STEP_NAMES_H_

#include <string>
#include <string_view>
#include <vector>

#include "gtest/gtest.h"

namespace mpool::test {

// Names that start with `prefix`, such as "region.join.", sorted. Aborts if
// there is none.
std::vector<std::string> StepNames(std::string_view prefix);

// "region.join.gate" as GoogleTest takes it: "RegionJoinGate".
std::string StepTestName(const ::testing::TestParamInfo<std::string>& info);

}  // namespace mpool::test

#endif  // MPOOL_TESTS_SUPPORT_STEP_NAMES_H_
