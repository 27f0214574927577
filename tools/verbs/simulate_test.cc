// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tools/test_command.h"
#include "tools/trace/test_dir.h"

namespace mpool::tools {
namespace {

using testing::HasSubstr;

TEST(SimulateVerbTest, EachPolicyAndSizeHasARow) {
  const TestDir dir;
  const std::string trace =
      dir.WriteGz("belady.pt.gz", "1\n2\n3\n4\n1\n2\n5\n1\n2\n3\n4 w\n5\n");
  const Ran ran = RunMpool({"simulate", trace, "--cache-frames", "3,4",
                            "--policy", "lru,opt", "--json"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  const auto rows = nlohmann::json::parse(ran.out);
  ASSERT_EQ(rows.size(), 4u);
  EXPECT_EQ(rows[0]["trace"], "belady");
  EXPECT_EQ(rows[0]["policy"], "lru");
  EXPECT_EQ(rows[0]["frames"], 3);
  EXPECT_EQ(rows[0]["processes"], 1);
  EXPECT_EQ(rows[0]["threads"], 1);
  EXPECT_EQ(rows[0]["references"], 12);
  EXPECT_EQ(rows[0]["hits"], 2);
  EXPECT_EQ(rows[0]["misses"], 10);
  EXPECT_EQ(rows[0]["pages_read"], 10);
  EXPECT_EQ(rows[0]["pages_written"], 0);
  EXPECT_EQ(rows[0]["wrong_pages"], 0);
  EXPECT_DOUBLE_EQ(rows[0]["hit_percent"], 100.0 * 2 / 12);
  EXPECT_EQ(rows[1]["hits"], 4);
  EXPECT_EQ(rows[2]["policy"], "opt");
  EXPECT_EQ(rows[2]["hits"], 5);
  EXPECT_EQ(rows[3]["hits"], 6);
}

TEST(SimulateVerbTest, TableIsPrintedByDefault) {
  const TestDir dir;
  const Ran ran = RunMpool({"simulate", dir.Write("t.pt", "1\n1\n")});
  EXPECT_EQ(ran.code, 0);
  EXPECT_EQ(ran.out,
            "trace  policy  frames  references  hits  misses  hit_percent\n"
            "t      lru         64           2     1       1        50.00\n"
            "t      lru         64           2     1       1        50.00\n"
            "t      lru         64           2     1       1        50.00\n"
            "t      lru         64           2     1       1        50.00\n"
            "t      clock       64           2     1       1        50.00\n"
            "t      clock       64           2     1       1        50.00\n"
            "t      clock       64           2     1       1        50.00\n"
            "t      clock       64           2     1       1        50.00\n"
            "t      opt         64           2     1       1        50.00\n"
            "t      opt         64           2     1       1        50.00\n"
            "t      opt         64           2     1       1        50.00\n"
            "t      opt         64           2     1       1        50.00\n");
}

TEST(SimulateVerbTest, UnknownPolicyIsAUsageError) {
  const TestDir dir;
  const Ran ran =
      RunMpool({"simulate", dir.Write("t.pt", "1\n"), "--policy", "mru"});
  EXPECT_EQ(ran.code, 2);
  EXPECT_THAT(ran.err,
              AllOf(HasSubstr("unknown policy \"mru\"; known are lru, clock"),
                             HasSubstr(", opt")));
}

}  // namespace
}  // namespace mpool::tools
