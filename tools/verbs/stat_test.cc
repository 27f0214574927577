// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include <signal.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mpool/env.h"
#include "mpool/version.h"
#include "nlohmann/json.hpp"
#include "tests/support/child.h"
#include "tests/support/pages.h"
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
  const auto json = nlohmann::json::parse(ran.out);
  EXPECT_EQ(json["home"], dir.path());
  EXPECT_EQ(json["version"], MPOOL_VERSION_STRING);
  absl::Time time;
  std::string why;
  EXPECT_TRUE(absl::ParseTime(absl::RFC3339_full,
                              json["time"].get<std::string>(), &time, &why))
      << why;
  for (const auto& row : json["rows"]) {
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

TEST(StatVerbTest, LostPageIsAFinding) {
  const TestDir dir;
  {
    auto both = *test::OpenBoth(dir.path());
    EXPECT_EQ(RunMpool({"stat", dir.path()}).code, 0);
    EXPECT_EQ(test::InChild([&]() -> std::string {
                auto file = *both.env->OpenFile("pages.db",
                                                {.atomic_update = false});
                EXPECT_TRUE(test::PutText(*file, 0, "put").ok());
                auto page = *file->GetForUpdate(0);
                ::kill(::getpid(), SIGKILL);
                return "lives";
              }),
              test::kKilled);
    EXPECT_TRUE(both.env->FailCheck().ok());
    const Ran ran = RunMpool({"stat", dir.path()});
    EXPECT_EQ(ran.code, 1);
    EXPECT_THAT(ran.err, testing::HasSubstr("1 pages that were lost"));
  }
  EXPECT_TRUE(DbEnv::Remove(dir.path(), /*force=*/true).ok());
}

TEST(StatVerbTest, UnnamedMemoryIsExplained) {
  const TestDir dir;
  const auto both =
      *test::OpenBoth(dir.path(), test::SmallEnv(Backing::kAnonymous));
  const Ran ran = RunMpool({"stat", dir.path()});
  EXPECT_EQ(ran.code, 3);
  EXPECT_THAT(ran.err, testing::HasSubstr("kAnonymous"));
}

TEST(StatVerbTest, MissingEnvironmentCannotBeInspected) {
  const TestDir dir;
  EXPECT_EQ(RunMpool({"stat", dir.File("none")}).code, 3);
  EXPECT_EQ(RunMpool({"stat", dir.path()}).code, 3);
}

}  // namespace
}  // namespace mpool::tools
