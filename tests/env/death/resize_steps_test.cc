// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// resize_steps_test.cc - a resizer dies at each step of a resize, or coincides
// with another process that moves memory.

#include <unistd.h>

#include <fstream>
#include <map>
#include <thread>
#include <utility>

#include "mpool/mpool.h"
#include "os/step.h"
#include "tests/support/child.h"
#include "tests/support/resize.h"
#include "tests/support/step_names.h"
#include "tests/support/temp_home.h"

namespace mpool {
namespace {

using test::IsOk;

// A resizer dies at any step of a resize. The others continue with all their
// pages, and the memory fits one of the two sizes.
class ResizeKillTest : public ::testing::TestWithParam<std::string> {};

INSTANTIATE_TEST_SUITE_P(All, ResizeKillTest,
                         ::testing::ValuesIn(test::StepNames("mpool.resize.")),
                         test::StepTestName);

TEST_P(ResizeKillTest, KilledResizeIsUndoneOrFinished) {
  bool killed = false;
  for (const uint64_t to : {4 * kMiB + 8192, kMiB / 2 + 4096}) {
    for (const uint64_t hit : {1, 2}) {
      const test::TempHome home;
      EnvOptions options;
      options.cache_bytes = 2 * kMiB;
      options.max_cache_bytes = kMost;
      options.huge_pages = false;
      auto opened = *test::OpenBoth(home.path(), options);
      FillPages(*opened.file, 3 * kPagesPerMiB, "page ");
      const std::string end = test::InChild([&]() -> std::string {
        auto other = *test::OpenBoth(home.path(), options);
        os::KillAtStep(GetParam(), hit);
        return other.env->Resize(to).ToString();
      });
      killed = killed || end == test::kKilled;
      ASSERT_THAT(opened.env->FailCheck().status(), IsOk());
      const EnvStats stats = opened.env->Stats();
      EXPECT_EQ(stats.backed_bytes, stats.cache_bytes);
      EXPECT_TRUE(stats.cache_bytes == to || stats.cache_bytes == 2 * kMiB);
      ExpectPages(*opened.file, 3 * kPagesPerMiB, "page ");
      EXPECT_LE(opened.env->Stats().frames, stats.cache_bytes / 4096);
      const std::string segment = test::SegmentsOf(home.path()).at(0);
      EXPECT_LE(ResidentBytes("/" + segment, Backing::kPosixShm, ""),
                stats.cache_bytes + 3 * kMiB / 2);
      ASSERT_THAT(opened.env->Resize(kMiB), IsOk());
      ExpectPages(*opened.file, 3 * kPagesPerMiB, "page ");
      EXPECT_EQ(opened.env->Stats().frames, kPagesPerMiB);
      ASSERT_THAT(opened.Close(), IsOk());
      EXPECT_THAT(DbEnv::Remove(home.path()), IsOk());
    }
  }
  EXPECT_TRUE(killed) << "nobody came to " << GetParam();
}

// The extent at the end of the cache is drained for another page size. During
// the drain the cache grows, and the extent gets more frames.
TEST(ResizeRaceTest, ExtentGrowingDuringDrainKeepsPages) {
  const test::TempHome home;
  EnvOptions options;
  options.cache_bytes = 96 << 10;  // one extent and a half
  options.max_cache_bytes = 128 << 10;
  auto opened = *test::OpenBoth(home.path(), options);
  auto small = *opened.env->OpenFile("small.db",
                                     {.page_size = 512, .create = true});
  constexpr PageNo kFrames = 24;
  FillPages(*opened.file, kFrames, "page ");
  ASSERT_THAT(opened.env->Sync(), IsOk());
  std::map<const std::byte*, PageNo> places;
  for (PageNo page = 0; page < kFrames; ++page) {
    places[opened.file->Get(page)->data().data()] = page;
  }
  // The pin keeps the first extent where it is.
  const ReadPage held = *opened.file->Get(places.begin()->second);
  bool grown = false;
  os::CallAtStep("mpool.resize.drained", [&] {
    if (std::exchange(grown, true)) return;
    std::thread([&] {
      EXPECT_THAT(opened.env->Resize(options.max_cache_bytes), IsOk());
      for (PageNo page = kFrames; page < kFrames + 8; ++page) {
        EXPECT_THAT(
            test::PutText(*opened.file, page, absl::StrCat("page ", page)),
            IsOk());
      }
    }).join();
  });
  EXPECT_THAT(test::PutText(*small, 0, "small"), IsOk());
  os::ClearSteps();
  EXPECT_TRUE(grown);
  ExpectPages(*opened.file, kFrames + 8, "page ");
  EXPECT_EQ(test::GetText(*small, 0), "small");
  EXPECT_THAT(small->Close(), IsOk());
}

// Frames that a shrink has taken keep the keys of their last pages.
TEST(ResizeRaceTest, GrownFileOpensWhileFramesRetire) {
  const test::TempHome home;
  EnvOptions options;
  options.cache_bytes = 1 << 20;
  auto opened = *test::OpenBoth(home.path(), options);
  FillPages(*opened.file, kPagesPerMiB, "page ");
  ASSERT_THAT(opened.file->Close(), IsOk());
  bool reopened = false;
  os::CallAtStep("mpool.resize.drained", [&] {
    if (std::exchange(reopened, true)) return;
    std::thread([&] {
      const std::string path = home.Below("pages.db");
      std::string page(4096, 0);
      test::Fill(std::as_writable_bytes(std::span(page)), "more");
      std::ofstream(path, std::ios::app | std::ios::binary) << page;
      auto file = opened.env->OpenFile("pages.db");
      ASSERT_THAT(file, test::IsOk());
      EXPECT_EQ(test::GetText(**file, kPagesPerMiB), "more");
      ExpectPages(**file, kPagesPerMiB, "page ");
      EXPECT_THAT((*file)->Close(), IsOk());
    }).join();
  });
  EXPECT_THAT(opened.env->Resize(512 << 10), IsOk());
  os::ClearSteps();
  EXPECT_TRUE(reopened);
}

// A writer died when its page was clean and in the hash table. The frame was
// retired before any process repaired the death.
TEST(DeadWriterTest, ReturnedFrameCanBeWritten) {
  const test::TempHome home;
  EnvOptions options;
  options.cache_bytes = 1 << 20;
  auto opened = *test::OpenBoth(home.path(), options);
  FillPages(*opened.file, kPagesPerMiB, "page ");
  ASSERT_THAT(opened.file->Sync(), IsOk());
  for (PageNo page = 0; page < kPagesPerMiB; page += 16) {
    EXPECT_EQ(test::InChild([&]() -> std::string {
                EXPECT_THAT(test::PutText(*opened.file, page,
                                          absl::StrCat("page ", page)),
                            IsOk());
                os::KillAtStep("mpool.write.ended", 1);
                return opened.file->Sync().ToString();
              }),
              test::kKilled);
  }
  ASSERT_THAT(opened.env->Resize(512 << 10), IsOk());
  ASSERT_THAT(opened.env->FailCheck(), IsOk());
  ASSERT_THAT(opened.env->Resize(1 << 20), IsOk());
  FillPages(*opened.file, kPagesPerMiB, "again ");
  ::alarm(60);
  EXPECT_THAT(opened.file->Sync(), IsOk());
  EXPECT_THAT(opened.Close(), IsOk());
  ::alarm(0);
}

}  // namespace
}  // namespace mpool
