// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mpool/env.h"
#include "nlohmann/json.hpp"
#include "tools/test_command.h"
#include "tools/trace/test_dir.h"

namespace mpool::tools {
namespace {

TEST(StatVerbTest, EveryStatisticHasARow) {
  const TestDir dir;
  absl::StatusOr<std::unique_ptr<DbEnv>> env =
      DbEnv::Open(dir.path(), {.cache_bytes = uint64_t{64} * 4096});
  ASSERT_TRUE(env.ok()) << env.status();
  const Ran ran = RunMpool({"stat", dir.path(), "--json"});
  EXPECT_EQ(ran.code, 0) << ran.err;
  std::vector<std::string> expected;
#define MPOOL_COUNTER(name, unit, help) expected.push_back(#name);
#define MPOOL_GAUGE(name, unit, help) expected.push_back(#name);
#include "mpool/stats.def"
#undef MPOOL_COUNTER
#undef MPOOL_GAUGE
  expected.push_back("backing");
  expected.push_back("policy");
  expected.push_back("origin");
  std::vector<std::string> names;
  for (const auto& row : nlohmann::json::parse(ran.out)) {
    names.push_back(row["name"]);
    EXPECT_NE(row["help"], "");
    if (row["name"] == "cache_bytes") {
      EXPECT_EQ(row["value"], 64 * 4096);
    }
    if (row["name"] == "backing") {
      EXPECT_EQ(row["value"], "posix-shm");
    }
  }
  EXPECT_EQ(names, expected);
  ASSERT_TRUE((*env)->Close().ok());
  EXPECT_TRUE(DbEnv::Remove(dir.path()).ok());
}

TEST(StatVerbTest, MissingEnvironmentCannotBeInspected) {
  const TestDir dir;
  EXPECT_EQ(RunMpool({"stat", dir.File("none")}).code, 3);
  EXPECT_EQ(RunMpool({"stat", dir.path()}).code, 3);
}

}  // namespace
}  // namespace mpool::tools
