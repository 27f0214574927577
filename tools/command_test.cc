// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "tools/command.h"

#include <sstream>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mpool/env.h"
#include "nlohmann/json.hpp"
#include "tools/trace/test_dir.h"

namespace mpool::tools {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

struct Ran {
  int code = 0;
  std::string out;
  std::string err;
};

Ran RunMpool(const std::vector<std::string>& words) {
  std::ostringstream out;
  std::ostringstream err;
  const int code = RunCommand(words, Terminal{}, false, out, err);
  return {code, out.str(), err.str()};
}

TEST(CommandTest, VersionIsPrinted) {
  const Ran ran = RunMpool({"--version"});
  EXPECT_EQ(ran.code, 0);
  EXPECT_THAT(ran.out, StartsWith("mpool "));
}

TEST(CommandTest, HelpListsEveryVerb) {
  for (const char* help : {"help", "--help", "-h"}) {
    const Ran ran = RunMpool({help});
    EXPECT_EQ(ran.code, 0);
    for (const char* verb : {"replay", "simulate", "stat", "holders", "resize",
                             "remove"}) {
      EXPECT_THAT(ran.out, HasSubstr(std::string("mpool ") + verb));
    }
    EXPECT_EQ(ran.err, "");
  }
}

TEST(CommandTest, HelpOfOneVerbIsTheSameBothWays) {
  const Ran ran = RunMpool({"help", "stat"});
  EXPECT_EQ(ran.code, 0);
  EXPECT_THAT(ran.out, StartsWith("mpool stat HOME"));
  EXPECT_EQ(RunMpool({"stat", "--help"}).out, ran.out);
  EXPECT_EQ(RunMpool({"help", "nonsense"}).code, 2);
}

TEST(CommandTest, NoVerbAndUnknownVerbAreUsageErrors) {
  EXPECT_EQ(RunMpool({}).code, 2);
  const Ran ran = RunMpool({"reply"});
  EXPECT_EQ(ran.code, 2);
  EXPECT_THAT(ran.err, HasSubstr("unknown verb \"reply\""));
  EXPECT_EQ(ran.out, "");
}

TEST(CommandTest, WrongOptionsAreUsageErrors) {
  const TestDir dir;
  const std::string trace = dir.Write("t.pt", "1\n");
  const std::vector<std::vector<std::string>> wrong = {
      {"simulate"},
      {"simulate", trace, "--policy", "mru"},
      {"simulate", trace, "--cache-frames", "0"},
      {"simulate", trace, "--processes", "2"},
      {"replay"},
      {"replay", trace, "--policy", "opt"},
      {"replay", trace, "--cache-frames", "15"},
      {"replay", trace, "--cache-frames", "64", "--cache-percent", "5"},
      {"replay", trace, "--processes", "0"},
      {"replay", trace, "--threads", "x"},
      {"replay", trace, "--page-size", "3000"},
      {"replay", trace, "--page-size", "256"},
      {"replay", trace, "--write-percent", "101"},
      {"replay", trace, "--seed", "-1"},
      {"replay", trace, "--backing", "tape"},
      {"replay", trace, "--backing", "heap", "--processes", "2"},
      {"replay", trace, "--backing", "anonymous", "--processes", "2"},
      {"replay", trace, "--bench-json", "b.json"},
      {"stat"},
      {"stat", "a", "b"},
      {"stat", "a", "--force"},
      {"remove"},
      {"remove", "a", "b"},
      {"resize", "a"},
      {"resize", "a", "many"},
      {"resize", "a", "-1"},
      {"resize", "a", "65536", "b"},
  };
  for (const std::vector<std::string>& words : wrong) {
    const Ran ran = RunMpool(words);
    EXPECT_EQ(ran.code, 2) << testing::PrintToString(words);
    EXPECT_EQ(ran.out, "");
    EXPECT_THAT(ran.err, HasSubstr("mpool help " + words[0]));
  }
}

TEST(CommandTest, UnknownPolicyIsNamedBesideTheKnownOnes) {
  const TestDir dir;
  const std::string trace = dir.Write("t.pt", "1\n");
  EXPECT_THAT(RunMpool({"simulate", trace, "--policy", "mru"}).err,
              HasSubstr("unknown policy \"mru\"; known are lru, clock, opt"));
  EXPECT_THAT(RunMpool({"replay", trace, "--policy", "mru"}).err,
              HasSubstr("unknown policy \"mru\"; known are lru, clock\n"));
}

TEST(CommandTest, MissingOrDamagedTraceCannotBeOpened) {
  const TestDir dir;
  const std::string bad = dir.Write("bad.pt", "1\nx\n");
  for (const char* verb : {"simulate", "replay"}) {
    const Ran missing = RunMpool({verb, dir.File("none.pt.gz")});
    EXPECT_EQ(missing.code, 3);
    EXPECT_THAT(missing.err, HasSubstr("none.pt.gz"));
    const Ran damaged = RunMpool({verb, bad});
    EXPECT_EQ(damaged.code, 3);
    EXPECT_THAT(damaged.err, HasSubstr("bad.pt:2: "));
    EXPECT_EQ(damaged.out, "");
  }
}

TEST(CommandTest, SimulateGivesARowPerTracePolicyAndSize) {
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

TEST(CommandTest, SimulatePrintsATableByDefault) {
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

TEST(CommandTest, EnvironmentThatIsNotThereCannotBeInspected) {
  const TestDir dir;
  EXPECT_EQ(RunMpool({"stat", dir.File("none")}).code, 3);
  EXPECT_EQ(RunMpool({"stat", dir.path()}).code, 3);
  EXPECT_EQ(RunMpool({"remove", dir.File("none")}).code, 3);
  EXPECT_EQ(RunMpool({"resize", dir.File("none"), "65536"}).code, 3);
  EXPECT_EQ(RunMpool({"resize", dir.path(), "65536"}).code, 3);
}

TEST(CommandTest, AnEnvironmentInUseIsResizedUpToItsLargestSize) {
  const TestDir dir;
  const auto env = DbEnv::Open(
      dir.path(), {.cache_bytes = 64 << 10, .max_cache_bytes = 128 << 10});
  ASSERT_TRUE(env.ok()) << env.status();
  const Ran ran = RunMpool({"resize", dir.path(), "131072", "--json"});
  EXPECT_EQ(ran.code, 0) << ran.err;
  const auto row = nlohmann::json::parse(ran.out)[0];
  EXPECT_EQ(row["bytes_before"], 64 << 10);
  EXPECT_EQ(row["bytes"], 128 << 10);
  EXPECT_EQ((*env)->Stats().cache_bytes, uint64_t{128} << 10);
  const Ran more = RunMpool({"resize", dir.path(), "262144"});
  EXPECT_EQ(more.code, 2);
  EXPECT_THAT(more.err, HasSubstr("max_cache_bytes is 131072"));
  EXPECT_TRUE((*env)->Close().ok());
  EXPECT_TRUE(DbEnv::Remove(dir.path()).ok());
}

TEST(CommandTest, RemovingAHomeWithoutARegionIsWell) {
  const TestDir dir;
  const Ran ran = RunMpool({"remove", dir.path(), "--json"});
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_EQ(nlohmann::json::parse(ran.out)[0]["home"], dir.path());
}

}  // namespace
}  // namespace mpool::tools
