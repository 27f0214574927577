// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "mpool/evict/policies.h"

#include <set>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tests/support/test_pool.h"

namespace mpool::internal {
namespace {

TEST(PoliciesTest, EachRowIsFoundByValueAndName) {
  std::set<Policy> values;
  std::set<std::string_view> names;
  for (const PolicyRow& row : kPolicyRows) {
    EXPECT_TRUE(values.insert(row.policy).second) << row.name;
    EXPECT_TRUE(names.insert(row.name).second) << row.name;
    EXPECT_EQ(FindPolicy(row.policy), &row);
    EXPECT_EQ(FindPolicy(row.name), &row);
    EXPECT_EQ(row.make == nullptr, row.simulate == nullptr) << row.name;
  }
}

TEST(PoliciesTest, UnknownPolicyHasNoRow) {
  TestPool pool(64 << 10);
  const auto unknown = static_cast<Policy>(99);
  EXPECT_EQ(FindPolicy(unknown), nullptr);
  EXPECT_EQ(FindPolicy("mru"), nullptr);
  EXPECT_EQ(
      MakeReplacement(unknown, pool.region().memory(), pool.pool().frames()),
      nullptr);
  EXPECT_EQ(MakeReplacement(Policy::kClock2Q, pool.region().memory(),
                            pool.pool().frames()),
            nullptr);
}

// A victim is one of the frames that hold pages, and each comes once in a
// round.
TEST(PoliciesTest, EachBuiltPolicyNamesVictimsAndSimulates) {
  const std::vector<uint32_t> pages = {1, 2, 1, 3, 1};
  for (const PolicyRow& row : kPolicyRows) {
    if (!row.is_built) continue;
    SCOPED_TRACE(std::string(row.name));
    TestPool pool(64 << 10, row.policy);
    FrameTable& frames = pool.pool().frames();
    ASSERT_TRUE(*frames.extents().Cut(pool.self(), PageClass(3)));
    const auto policy =
        MakeReplacement(row.policy, pool.region().memory(), frames);
    ASSERT_NE(policy, nullptr);
    ThreadContext self;
    self.thread = pool.self();
    std::set<BufferHeader*> held;
    for (int i = 0; i < 4; ++i) {
      BufferHeader* header = frames.TakeFree(pool.self(), PageClass(3));
      ASSERT_NE(header, nullptr);
      State seen = header->Load();
      ASSERT_TRUE(header->Change(
          &seen, seen.WithPhase(Phase::kValid).WithOwner(0)));
      policy->Inserted(self, *header, Access::kNormal);
      held.insert(header);
    }
    Replacement::Search search{.page_class = PageClass(3)};
    std::set<BufferHeader*> named;
    while (BufferHeader* header = policy->NextVictim(self, search)) {
      named.insert(header);
    }
    for (BufferHeader* header : held) EXPECT_TRUE(named.contains(header));
    EXPECT_LE(row.simulate(pages, 2), 2u);
    EXPECT_EQ(row.simulate(pages, 3), 2u);
  }
}

}  // namespace
}  // namespace mpool::internal
