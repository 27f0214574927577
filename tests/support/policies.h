// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// policies.h - parameters for tests that hold under every built policy.

#ifndef MPOOL_TESTS_SUPPORT_POLICIES_H_
#define MPOOL_TESTS_SUPPORT_POLICIES_H_

#include <string>

#include "absl/strings/ascii.h"
#include "gtest/gtest.h"
#include "mpool/evict/policies.h"

namespace mpool::test {

// Returns the policy's name as it may stand in the name of a test.
inline std::string PolicyTestName(Policy policy) {
  std::string name(internal::FindPolicy(policy)->name);
  name[0] = absl::ascii_toupper(static_cast<unsigned char>(name[0]));
  return name;
}

inline auto EveryPolicy() {
  return ::testing::ValuesIn(internal::BuiltPolicies());
}
inline std::string PolicyParam(const ::testing::TestParamInfo<Policy>& param) {
  return PolicyTestName(param.param);
}

}  // namespace mpool::test

#endif  // MPOOL_TESTS_SUPPORT_POLICIES_H_
