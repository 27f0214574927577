// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "tools/replay/replay.h"

#include <filesystem>
#include <fstream>
#include <memory>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mpool/mpool.h"
#include "tools/report/names.h"
#include "tools/trace/simulator.h"
#include "tools/trace/test_dir.h"

namespace mpool::tools {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

constexpr uint64_t kPages = 400;

// ThreadSanitizer sees one process. Thread A reads a page and puts it. A writer
// in another process finds A's ledger entry empty and clears the hint. Thread B
// of A's process then gets the page for update without a scan of A's ledger,
// because the hint is clear. A happens before B only through the other process,
// so ThreadSanitizer reports a race.
#if defined(__SANITIZE_THREAD__)
constexpr uint32_t kThreadsOfEachProcess = 1;
#else
constexpr uint32_t kThreadsOfEachProcess = 2;
#endif

// Half of the references are to a tenth of the pages; a fifth of them write.
Trace SampleTrace(uint64_t references) {
  Trace trace;
  trace.name = "sample";
  trace.page_count = kPages;
  std::mt19937 random(5);
  for (uint64_t i = 0; i < references; ++i) {
    const uint64_t range = random() % 2 == 0 ? kPages / 10 : kPages;
    trace.pages.push_back(static_cast<uint32_t>(random() % range));
    trace.dirties.push_back(random() % 5 == 0);
  }
  return trace;
}

class ReplayTest : public testing::Test {
 protected:
  ReplayTest() : progress_(Terminal{}, silence_) {
    home_ = *ReplayHome::Make(dir_.path());
  }

  ReplayResult Replay(const Trace& trace, const ReplayOptions& options,
                      Policy policy, uint64_t frames) {
    absl::StatusOr<std::unique_ptr<TraceReplay>> replay =
        TraceReplay::Make(trace, *home_, options);
    EXPECT_TRUE(replay.ok()) << replay.status();
    const absl::StatusOr<ReplayResult> result =
        (*replay)->Run(policy, frames, progress_);
    EXPECT_TRUE(result.ok()) << result.status();
    return result.ok() ? *result : ReplayResult();
  }

  void ExpectWhole(const Trace& trace, const ReplayResult& result) {
    EXPECT_THAT(result.findings, IsEmpty());
    EXPECT_EQ(result.gets, trace.pages.size());
    EXPECT_EQ(result.hits + result.misses, trace.pages.size());
    EXPECT_EQ(result.wrong_pages, 0u);
    EXPECT_GT(result.pages_written, 0u);
    EXPECT_GE(result.pages_read, kPages);
  }

  TestDir dir_;
  std::unique_ptr<ReplayHome> home_;
  std::ostringstream silence_;
  Progress progress_;
};

TEST_F(ReplayTest, OneThreadHitsLikeTheSimulator) {
  Trace trace = SampleTrace(20000);
  trace.dirties.assign(trace.dirties.size(), false);
  const ReplayResult result = Replay(trace, {}, Policy::kLru, 64);
  EXPECT_THAT(result.findings, IsEmpty());
  EXPECT_EQ(result.hits, LruHits(trace.pages, 64));
  EXPECT_EQ(Replay(trace, {}, Policy::kClock, 64).hits,
            ClockHits(trace.pages, 64));
  EXPECT_EQ(result.writes, 0u);
  EXPECT_EQ(result.pages_written, 0u);
}

TEST_F(ReplayTest, ThreadsSeeOnlyRightPages) {
  const Trace trace = SampleTrace(20000);
  for (const Named<Backing>& backing : kBackings) {
    SCOPED_TRACE(backing.name);
    const ReplayResult result =
        Replay(trace, {.threads = 3, .verify = true, .backing = backing.value},
               Policy::kClock, 64);
    ExpectWhole(trace, result);
  }
}

TEST_F(ReplayTest, ProcessesSeeOnlyRightPages) {
  const Trace trace = SampleTrace(20000);
  for (const Backing backing :
       {Backing::kPosixShm, Backing::kFile, Backing::kSysV}) {
    const ReplayResult result = Replay(trace,
                                       {.processes = 3,
                                        .threads = kThreadsOfEachProcess,
                                        .verify = true,
                                        .backing = backing},
                                       Policy::kClock, 64);
    ExpectWhole(trace, result);
  }
}

TEST_F(ReplayTest, RepeatedRunsSeeOnlyRightPages) {
  const Trace trace = SampleTrace(5000);
  absl::StatusOr<std::unique_ptr<TraceReplay>> replay =
      TraceReplay::Make(trace, *home_, {.processes = 2, .verify = true});
  ASSERT_TRUE(replay.ok()) << replay.status();
  for (const uint64_t frames : {16u, 64u, 400u}) {
    const absl::StatusOr<ReplayResult> result =
        (*replay)->Run(Policy::kClock, frames, progress_);
    ASSERT_TRUE(result.ok()) << result.status();
    ExpectWhole(trace, *result);
  }
}

TEST_F(ReplayTest, RunAfterAWrongPageIsClean) {
  const Trace trace = SampleTrace(2000);
  absl::StatusOr<std::unique_ptr<TraceReplay>> replay =
      TraceReplay::Make(trace, *home_, {.verify = true});
  ASSERT_TRUE(replay.ok()) << replay.status();
  std::fstream(dir_.File("sample.db"),
               std::ios::in | std::ios::out | std::ios::binary)
      .write("ruin", 4);
  const absl::StatusOr<ReplayResult> ruined =
      (*replay)->Run(Policy::kClock, 64, progress_);
  ASSERT_TRUE(ruined.ok()) << ruined.status();
  EXPECT_GT(ruined->wrong_pages, 0u);
  EXPECT_FALSE(ruined->findings.empty());

  const absl::StatusOr<ReplayResult> clean =
      (*replay)->Run(Policy::kClock, 64, progress_);
  ASSERT_TRUE(clean.ok()) << clean.status();
  ExpectWhole(trace, *clean);
}

TEST_F(ReplayTest, RunLeavesNoFilesInGivenHome) {
  Replay(SampleTrace(1000), {.processes = 2}, Policy::kClock, 64);
  home_.reset();
  // The lock file of an environment may outlive it.
  for (const auto& entry : std::filesystem::directory_iterator(dir_.path())) {
    EXPECT_THAT(entry.path().filename().string(), HasSubstr("__db."));
  }
}

TEST_F(ReplayTest, GivenHomeWithAnEnvironmentIsRefused) {
  const TestDir used;
  absl::StatusOr<std::unique_ptr<DbEnv>> env = DbEnv::Open(used.path());
  ASSERT_TRUE(env.ok()) << env.status();
  EXPECT_TRUE(
      absl::IsFailedPrecondition(ReplayHome::Make(used.path()).status()));
  ASSERT_TRUE((*env)->Close().ok());
  EXPECT_TRUE(DbEnv::Remove(used.path()).ok());
}

TEST_F(ReplayTest, OwnHomeIsRemoved) {
  absl::StatusOr<std::unique_ptr<ReplayHome>> made = ReplayHome::Make("");
  ASSERT_TRUE(made.ok()) << made.status();
  const std::string path = (*made)->path();
  EXPECT_TRUE(std::filesystem::is_directory(path));
  made->reset();
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST_F(ReplayTest, MissingHomeIsAnError) {
  EXPECT_TRUE(absl::IsNotFound(ReplayHome::Make("/nowhere/at/all").status()));
}

}  // namespace
}  // namespace mpool::tools
