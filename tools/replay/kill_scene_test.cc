// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "tools/replay/kill_scene.h"

#include <random>
#include <sstream>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tools/command.h"
#include "tools/replay/page_content.h"
#include "tools/replay/page_promises.h"
#include "tools/trace/test_dir.h"

namespace mpool::tools {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

Trace SampleTrace(uint64_t references) {
  Trace trace;
  trace.name = "sample";
  trace.page_count = 300;
  std::mt19937 random(7);
  for (uint64_t i = 0; i < references; ++i) {
    const uint64_t range = random() % 2 == 0 ? 20 : trace.page_count;
    trace.pages.push_back(static_cast<uint32_t>(random() % range));
    trace.dirties.push_back(random() % 3 == 0);
  }
  return trace;
}

TEST(KillSceneTest, KilledProcessesLoseNoPut) {
  const Trace trace = SampleTrace(60000);
  for (const Backing backing :
       {Backing::kPosixShm, Backing::kFile, Backing::kSysV}) {
    const TestDir dir;
    const auto home = ReplayHome::Make(dir.path());
    ASSERT_TRUE(home.ok()) << home.status();
    std::ostringstream silence;
    Progress progress(Terminal{}, silence);
    const absl::StatusOr<KillResult> result = RunKillScene(
        trace, **home, {.processes = 2, .page_size = 1024, .backing = backing},
        {.policy = Policy::kClock, .frames = 64, .kills = 3}, progress);
    ASSERT_TRUE(result.ok()) << result.status();
    EXPECT_THAT(result->findings, IsEmpty());
    EXPECT_EQ(result->processes_killed, 3u);
    EXPECT_GE(result->killed_in_update, 2u);
    EXPECT_EQ(result->pages_checked, trace.page_count);
    EXPECT_EQ(result->wrong_pages, 0u);
    EXPECT_EQ(result->lost_updates, 0u);
    EXPECT_GT(result->writes, 0u);
  }
}

class PagePromisesTest : public testing::Test {
 protected:
  // Returns "version", or "wrong", of page 5 with the content of `version`.
  std::string Found(uint32_t version) {
    std::vector<std::byte> bytes(512);
    FillPage({kFile, 5, version}, bytes);
    std::string why;
    const std::optional<uint32_t> found =
        promises_.VersionOf(5, bytes, &why);
    return found.has_value() ? std::to_string(*found) : "wrong";
  }

  static constexpr uint64_t kFile = 77;
  PagePromises promises_ = *PagePromises::Make(kFile, 10, 2);
};

TEST_F(PagePromisesTest, LivingWriterHasPutItsUpdate) {
  EXPECT_EQ(Found(0), "0");
  EXPECT_EQ(Found(1), "wrong");
  promises_.Begin(5, 1, 0);
  EXPECT_EQ(Found(1), "1");
  EXPECT_EQ(Found(0), "wrong");
}

TEST_F(PagePromisesTest, DeadWriterMayLeaveThePutBefore) {
  promises_.Begin(5, 3, 1);
  promises_.worker(1).doom.store(Doom::kAnywhere);
  EXPECT_EQ(Found(3), "3");
  EXPECT_EQ(Found(2), "2");
  EXPECT_EQ(Found(1), "wrong");
}

TEST_F(PagePromisesTest, VersionBelowACompletedPutIsLost) {
  promises_.Begin(5, 3, 1);
  promises_.Complete(5, 3);
  promises_.Complete(5, 2);
  EXPECT_EQ(promises_.LostUpdates(5, 3), 0u);
  EXPECT_EQ(promises_.LostUpdates(5, 1), 2u);
}

TEST(KillCommandTest, TableJsonAndReportShowTheKills) {
  const TestDir dir;
  std::string text;
  std::mt19937 random(9);
  for (int i = 0; i < 30000; ++i) {
    text += std::to_string(random() % 300) + (i % 3 == 0 ? " w\n" : "\n");
  }
  const std::string trace = dir.WriteGz("t.pt.gz", text);
  const std::string html = dir.File("report.html");
  std::vector<std::string> words = {"replay", trace, "--cache-frames", "64",
                                    "--kill", "2", "--html", html};
  std::ostringstream out;
  std::ostringstream err;
  EXPECT_EQ(RunCommand(words, Terminal{}, false, out, err), 0) << err.str();
  EXPECT_THAT(out.str(), HasSubstr("lost_updates"));
  EXPECT_THAT(dir.Read("report.html"),
              HasSubstr("2 processes killed, 300 pages checked: 0 wrong, "
                        "0 updates lost"));

  words.push_back("--json");
  std::ostringstream json;
  EXPECT_EQ(RunCommand(words, Terminal{}, false, json, err), 0) << err.str();
  const auto rows = nlohmann::json::parse(json.str());
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0]["processes_killed"], 0);
  EXPECT_EQ(rows[1]["processes_killed"], 2);
  EXPECT_EQ(rows[1]["processes"], 3);
  EXPECT_EQ(rows[1]["lost_updates"], 0);
}

}  // namespace
}  // namespace mpool::tools
