// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// backings.h - chooses the backing of a test that could run on any backing.
// Each step and turn has another one, so that each family of tests uses all. A
// repeated test has the same one again.

#ifndef MPOOL_TESTS_SUPPORT_BACKINGS_H_
#define MPOOL_TESTS_SUPPORT_BACKINGS_H_

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "gtest/gtest.h"
#include "os/crc32.h"
#include "tests/support/all_backings.h"

namespace mpool::test {

inline Backing BackingFor(std::span<const Backing> backings,
                          std::string_view name, uint64_t turn) {
  const uint64_t hash = os::Crc32(std::as_bytes(std::span(name)));
  return backings[(hash + turn) % backings.size()];
}

// Returns the name of the running test, which includes its parameter.
inline std::string TestName() {
  return ::testing::UnitTest::GetInstance()->current_test_info()->name();
}

// Returns a backing that processes can join by name.
inline Backing SharedBackingFor(std::string_view name, uint64_t turn = 0) {
  return BackingFor(os::kSharedBackings, name, turn);
}
// Returns a backing that forked children share, by name or without.
inline Backing ForkedBackingFor(std::string_view name, uint64_t turn = 0) {
  return BackingFor(os::kForkedBackings, name, turn);
}

}  // namespace mpool::test

#endif  // MPOOL_TESTS_SUPPORT_BACKINGS_H_
