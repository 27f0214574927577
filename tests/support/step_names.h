// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// step_names.h - the names of the library's steps, read from its sources, so
// that a test that kills at each step includes every new one.

#ifndef MPOOL_TESTS_SUPPORT_STEP_NAMES_H_
#define MPOOL_TESTS_SUPPORT_STEP_NAMES_H_

#include <string>
#include <string_view>
#include <vector>

#include "gtest/gtest.h"

namespace mpool::test {

// Returns the names that start with `prefix`, such as "region.join.", sorted.
// Aborts if there is none.
std::vector<std::string> StepNames(std::string_view prefix);

// Returns the name of the step for GoogleTest: "region.join.gate" is
// "RegionJoinGate".
std::string StepTestName(const ::testing::TestParamInfo<std::string>& info);

}  // namespace mpool::test

#endif  // MPOOL_TESTS_SUPPORT_STEP_NAMES_H_
