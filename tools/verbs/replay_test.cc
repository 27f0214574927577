// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include <signal.h>
#include <unistd.h>

#include <filesystem>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_join.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mpool/evict/policies.h"
#include "nlohmann/json.hpp"
#include "tests/support/child.h"
#include "tools/test_command.h"
#include "tools/trace/test_dir.h"

namespace mpool::tools {
namespace {

using testing::HasSubstr;

TEST(ReplayVerbTest, RowsAndReportAreMade) {
  const TestDir dir;
  std::string text;
  std::mt19937 random(9);
  for (int i = 0; i < 5000; ++i) {
    text += std::to_string(random() % 300 * 5) + (i % 7 == 0 ? " w\n" : "\n");
  }
  const std::string trace = dir.WriteGz("t.pt.gz", text);
  const Ran ran = RunMpool(
      {"replay", trace, "--cache-frames", "64,100", "--policy", "clock,lru",
       "--processes", "2", "--verify", "--write-percent", "10", "--json",
       "--html", dir.File("report.html"), "--bench-json", "none.json"});
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_THAT(ran.err, HasSubstr("none.json"));
  const auto rows = nlohmann::json::parse(ran.out);
  ASSERT_EQ(rows.size(), 4u);
  for (const auto& row : rows) {
    EXPECT_EQ(row["trace"], "t");
    EXPECT_EQ(row["references"], 5000);
    EXPECT_EQ(row["hits"].get<int>() + row["misses"].get<int>(), 5000);
    EXPECT_EQ(row["processes"], 2);
    EXPECT_EQ(row["threads"], 1);
    EXPECT_EQ(row["wrong_pages"], 0);
    EXPECT_EQ(row["verified"], true);
    EXPECT_EQ(row["backing"], "posix-shm");
    EXPECT_GT(row["writes"].get<int>(), 715);
  }
  EXPECT_THAT(dir.Read("report.html"), HasSubstr("Verified: 0 wrong pages"));
}

// The signal comes while the workers run, so that the run has no row.
TEST(ReplayVerbTest, InterruptedRunHasNoRow) {
  const TestDir dir;
  std::string text;
  for (int i = 0; i < 400000; ++i) text += std::to_string(i % 5000) + "\n";
  const std::string trace = dir.WriteGz("t.pt.gz", text);
  const std::string home = dir.File("home");
  std::filesystem::create_directory(home);
  for (const int signal : {SIGINT, SIGHUP}) {
    EXPECT_EQ(test::InChild([&]() -> std::string {
                std::thread sender([&] {
                  while (!std::filesystem::exists(home + "/__db.001")) {
                    std::this_thread::yield();
                  }
                  ::kill(::getpid(), signal);
                });
                const Ran ran = RunMpool({"replay", trace, "--home", home,
                                          "--cache-frames", "64", "--json"});
                sender.join();
                EXPECT_EQ(ran.code, 130) << ran.err;
                EXPECT_THAT(ran.err, HasSubstr("interrupted"));
                if (!ran.out.empty()) {
                  EXPECT_TRUE(nlohmann::json::parse(ran.out).empty());
                }
                return "done";
              }),
              "done");
    EXPECT_TRUE(std::filesystem::is_empty(home));
  }
}

TEST(ReplayVerbTest, MissingHomeCannotBeOpened) {
  const TestDir dir;
  const Ran ran = RunMpool(
      {"replay", dir.Write("t.pt", "1\n"), "--home", dir.File("none")});
  EXPECT_EQ(ran.code, 3);
  EXPECT_THAT(ran.err, HasSubstr("none"));
}

TEST(ReplayVerbTest, PolicyOfTheSimulatorIsAUsageError) {
  const TestDir dir;
  const Ran ran =
      RunMpool({"replay", dir.Write("t.pt", "1\n"), "--policy", "opt"});
  EXPECT_EQ(ran.code, 2);
  const auto known = internal::PolicyNames();
  const std::string names = absl::StrJoin(
      std::vector<std::string>(known.begin(), known.end()), ", ");
  EXPECT_THAT(ran.err,
              HasSubstr("unknown policy \"opt\"; known are " + names + "\n"));
}

}  // namespace
}  // namespace mpool::tools
