// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "tools/report/names.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace mpool::tools {
namespace {

using testing::ElementsAre;

template <class T, size_t kSize>
void ExpectBothDirections(const std::array<Named<T>, kSize>& table) {
  for (const Named<T>& row : table) {
    EXPECT_EQ(FindValue(table, row.name), row.value) << row.name;
    EXPECT_EQ(FindName(table, row.value), row.name);
  }
}

TEST(NamesTest, NamesAndValuesFindEachOther) {
  ExpectBothDirections(kPolicies);
  ExpectBothDirections(kSimulatedPolicies);
  ExpectBothDirections(kBackings);
  ExpectBothDirections(kOrigins);
}

TEST(NamesTest, UnknownNameHasNoValue) {
  EXPECT_EQ(FindValue(kPolicies, "opt"), std::nullopt);
  EXPECT_EQ(FindValue(kBackings, ""), std::nullopt);
  EXPECT_EQ(FindValue(kBackings, "POSIX-SHM"), std::nullopt);
}

TEST(NamesTest, UnknownValueHasNoName) {
  EXPECT_EQ(FindName(kOrigins, static_cast<Origin>(3)), std::nullopt);
  EXPECT_EQ(FindName(kPolicies, Policy::kClock2Q), std::nullopt);
}

TEST(NamesTest, NamesKeepTheOrderOfTheTable) {
  EXPECT_THAT(NamesIn(kOrigins), ElementsAre("new", "reboot", "lost"));
}

}  // namespace
}  // namespace mpool::tools
