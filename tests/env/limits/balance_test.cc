// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// balance_test.cc - files of several page sizes share one cache: no size
// starves.

#include <signal.h>
#include <unistd.h>

#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mpool/mpool.h"
#include "os/step.h"
#include "tests/support/child.h"
#include "tests/support/pages.h"
#include "tests/support/policies.h"
#include "tests/support/resize.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_home.h"

namespace mpool {
namespace {

using absl::StatusCode;
using test::Fails;
using test::GetText;
using test::IsOk;
using test::PutText;

constexpr uint64_t kCache = uint64_t{4} << 20;
constexpr uint32_t kSmallPage = 4096;
constexpr uint32_t kLargePage = 65536;
// Three quarters of the cache for each page size.
constexpr PageNo kSmallPages = 768;
constexpr PageNo kLargePages = 48;

class BalanceTest : public ::testing::TestWithParam<Policy> {
 protected:
  BalanceTest() {
    EnvOptions options;
    options.cache_bytes = kCache;
    options.policy = GetParam();
    env_ = *DbEnv::Open(home_.path(), options);
    small_ = OpenFile("small.db", kSmallPage);
    large_ = OpenFile("large.db", kLargePage);
  }
  ~BalanceTest() override {
    if (small_ != nullptr) {
      EXPECT_THAT(small_->Close(), IsOk());
    }
    EXPECT_THAT(large_->Close(), IsOk());
    EXPECT_THAT(env_->Close(), IsOk());
    EXPECT_THAT(DbEnv::Remove(home_.path()), IsOk());
  }
  std::unique_ptr<MPoolFile> OpenFile(const std::string& name,
                                      uint32_t page_size) {
    return *env_->OpenFile(name, {.page_size = page_size, .create = true});
  }
  static void Fill(MPoolFile& file, PageNo count) {
    for (PageNo page = 0; page < count; ++page) {
      ASSERT_THAT(PutText(file, page, absl::StrCat("page ", page)), IsOk());
    }
  }
  // Gets each page once and returns the number of misses.
  uint64_t Round(MPoolFile& file, PageNo count) {
    const uint64_t before = env_->Stats().misses;
    for (PageNo page = 0; page < count; ++page) {
      EXPECT_EQ(GetText(file, page), absl::StrCat("page ", page));
    }
    return env_->Stats().misses - before;
  }
  // Returns the number of rounds until all pages are in memory.
  int RoundsUntilWarm(MPoolFile& file, PageNo count) {
    int rounds = 0;
    while (rounds < 200 && Round(file, count) != 0) ++rounds;
    return rounds;
  }

  // Checks that large pages find frames although small pages fill the cache. A
  // dead process has left `pages` dirty pages of a deleted file.
  void ExpectRoomBesideUnwritable(uint32_t page_size, PageNo pages) {
    const std::string path = home_.Below("gone.db");
    const std::string away = home_.Below("away.db");
    EXPECT_EQ(test::InChild([&]() -> std::string {
                auto gone = OpenFile("gone.db", page_size);
                Fill(*gone, pages);
                ::raise(SIGKILL);
                return "";
              }),
              test::kKilled);
    EXPECT_THAT(env_->FailCheck(), IsOk());
    ASSERT_EQ(::rename(path.c_str(), away.c_str()), 0);
    Fill(*small_, 2 * kSmallPages);
    Fill(*large_, 4);
    EXPECT_EQ(GetText(*large_, 0), "page 0");
    ASSERT_EQ(::rename(away.c_str(), path.c_str()), 0);
  }

  const test::TempHome home_;
  std::unique_ptr<DbEnv> env_;
  std::unique_ptr<MPoolFile> small_;
  std::unique_ptr<MPoolFile> large_;
};

INSTANTIATE_TEST_SUITE_P(All, BalanceTest,
                         test::EveryPolicy(), test::PolicyParam);

TEST_P(BalanceTest, UnusedSizeGivesMemoryToUsed) {
  Fill(*small_, kSmallPages);
  Fill(*large_, kLargePages);
  for (int turn = 0; turn < 3; ++turn) {
    EXPECT_LT(RoundsUntilWarm(*large_, kLargePages), 60);
    EXPECT_LT(RoundsUntilWarm(*small_, kSmallPages), 60);
  }
}

TEST_P(BalanceTest, FirstPageOfSizeFitsFullCache) {
  Fill(*small_, 2 * kSmallPages);
  EXPECT_EQ(env_->Stats().frames, kCache / kSmallPage);
  EXPECT_THAT(PutText(*large_, 0, "page 0"), IsOk());
  Round(*small_, 2 * kSmallPages);
  EXPECT_EQ(GetText(*large_, 0), "page 0");
  EXPECT_EQ(Round(*large_, 1), 0u);
}

TEST_P(BalanceTest, AllFramesHeldGetsMoreFrames) {
  Fill(*small_, 2 * kSmallPages);
  Fill(*large_, kLargePages);
  std::vector<ReadPage> held;
  for (PageNo page = 0; page < kLargePages; ++page) {
    absl::StatusOr<ReadPage> got = large_->Get(page);
    ASSERT_THAT(got.status(), IsOk());
    held.push_back(*std::move(got));
  }
  Round(*small_, kSmallPages);
  // The other page size keeps one extent.
  for (PageNo page = kLargePages; page < 62; ++page) {
    absl::StatusOr<WritePage> got =
        large_->GetForUpdate(page, {.create = true});
    ASSERT_THAT(got.status(), IsOk()) << page;
    got->Discard();
    held.push_back(*large_->Get(page));
  }
  EXPECT_THAT(large_->Get(62, {.create = true}).status(),
              Fails(StatusCode::kResourceExhausted, "page of 65536 bytes",
                    "holds 62"));
  held.clear();
  Round(*small_, kSmallPages);
}

TEST_P(BalanceTest, EquallyUsedSizesBothHaveHits) {
  Fill(*small_, kSmallPages);
  Fill(*large_, kLargePages);
  uint64_t seed = 1;
  auto next = [&](uint64_t below) {
    seed = seed * 6364136223846793005 + 1442695040888963407;
    return (seed >> 33) % below;
  };
  constexpr int kGets = 500;
  uint64_t large_before = 0;
  uint64_t small_before = 0;
  for (int i = 0; i < 2 * kGets; ++i) {
    if (i == kGets) {
      large_before = large_->Stats().pages_read;
      small_before = small_->Stats().pages_read;
    }
    const PageNo page = next(kLargePages);
    EXPECT_EQ(GetText(*large_, page), absl::StrCat("page ", page));
    // The same number of bytes of each page size.
    for (int k = 0; k < 16; ++k) {
      const PageNo other = next(kSmallPages);
      EXPECT_EQ(GetText(*small_, other), absl::StrCat("page ", other));
    }
  }
  // In an evenly shared cache, two thirds of the pages of each size would fit.
  EXPECT_LT(large_->Stats().pages_read - large_before, kGets * 55 / 100);
  EXPECT_LT(small_->Stats().pages_read - small_before,
            kGets * 16 * 55 / 100);
}

TEST_P(BalanceTest, SizeOfClosedFilesKeepsNothing) {
  Fill(*small_, kSmallPages);
  EXPECT_THAT(small_->Close(), IsOk());
  small_ = nullptr;
  std::vector<ReadPage> held;
  for (PageNo page = 0; page < 64; ++page) {
    ASSERT_THAT(PutText(*large_, page, "x"), IsOk());
    held.push_back(*large_->Get(page));
  }
}

TEST_P(BalanceTest, PartialExtentChangesPageSize) {
  const test::TempHome home;
  EnvOptions options;
  options.cache_bytes = 32768;
  auto opened = *test::OpenBoth(home.path(), options, "a.db", 512);
  EXPECT_THAT(PutText(*opened.file, 0, "x"), IsOk());
  EXPECT_THAT(opened.file->Close(), IsOk());
  opened.file =
      *opened.env->OpenFile("b.db", {.page_size = 1024, .create = true});
  EXPECT_THAT(PutText(*opened.file, 0, "y"), IsOk());
}

// The first extent must stay because the second has too few frames for its page
// size.
TEST_P(BalanceTest, HeldExtentIsSkipped) {
  const test::TempHome home;
  EnvOptions options;
  options.cache_bytes = (64 << 10) + 4096;
  options.policy = GetParam();
  auto opened = *test::OpenBoth(home.path(), options, "a.db", 512);
  Fill(*opened.file, 136);
  EXPECT_THAT(opened.file->Sync(), IsOk());
  auto other =
      *opened.env->OpenFile("b.db", {.page_size = 4096, .create = true});
  EXPECT_THAT(PutText(*other, 0, "page 0"), IsOk());
  for (PageNo page = 0; page < 136; ++page) {
    EXPECT_EQ(GetText(*opened.file, page), absl::StrCat("page ", page));
  }
  EXPECT_THAT(other->Close(), IsOk());
}

// The page size with closed files is asked first, but it has a page that cannot
// be written.
TEST_P(BalanceTest, SizeWithoutSpareExtentIsSkipped) {
  ExpectRoomBesideUnwritable(1024, 1);
}

// All frames of one page size hold pages that cannot be written.
TEST_P(BalanceTest, UnwritableSizeTakesFromAnother) {
  ExpectRoomBesideUnwritable(kLargePage, 2);
}

// Each extent has a page that cannot be written, so no extent can change its
// page size. The other pages of an extent must not be evicted.
TEST_P(BalanceTest, ExtentWithStayingPageEvictsNothing) {
  constexpr PageNo kPages = 384;
  EXPECT_EQ(test::InChild([&]() -> std::string {
              auto huge = OpenFile("huge.db", kLargePage);
              auto gone = OpenFile("gone.db", kSmallPage);
              Fill(*huge, 16);
              for (PageNo page = 0; page < kPages; ++page) {
                EXPECT_THAT(PutText(*gone, page, "gone"), IsOk());
                EXPECT_THAT(
                    PutText(*small_, page, absl::StrCat("page ", page)),
                    IsOk());
              }
              ::raise(SIGKILL);
              return "";
            }),
            test::kKilled);
  EXPECT_THAT(env_->FailCheck(), IsOk());
  EXPECT_THAT(small_->Sync(), IsOk());
  EXPECT_EQ(Round(*small_, kPages), 0u);
  for (const char* name : {"gone.db", "huge.db"}) {
    const std::string path = home_.Below(name);
    ASSERT_EQ(::rename(path.c_str(), (path + ".away").c_str()), 0);
  }
  EXPECT_THAT(PutText(*large_, 0, "x"),
              Fails(StatusCode::kResourceExhausted, "could not be written"));
  EXPECT_EQ(Round(*small_, kPages), 0u);
  for (const char* name : {"gone.db", "huge.db"}) {
    const std::string path = home_.Below(name);
    ASSERT_EQ(::rename((path + ".away").c_str(), path.c_str()), 0);
  }
  EXPECT_THAT(PutText(*large_, 0, "x"), IsOk());
}

#ifdef MPOOL_STEPS
// The last extent is the coldest and is too short for a page of the other size.
TEST(ShortExtentBalanceTest, UselessExtentIsNotDonated) {
  const test::TempHome home;
  EnvOptions options;
  options.cache_bytes = (128 << 10) + 512;
  auto opened = *test::OpenBoth(home.path(), options, "a.db", 512);
  constexpr PageNo kFrames = 257;
  FillPages(*opened.file, kFrames, "page ");
  EXPECT_THAT(opened.file->Sync(), IsOk());
  FillPages(*opened.file, kFrames - 1, "page ");
  auto other =
      *opened.env->OpenFile("b.db", {.page_size = 8192, .create = true});
  int given = 0;
  os::CallAtStep("mpool.balance.given", [&] { ++given; });
  EXPECT_THAT(PutText(*other, 0, "page 0"), IsOk());
  os::ClearSteps();
  EXPECT_EQ(given, 1);
  ExpectPages(*opened.file, kFrames, "page ");
  EXPECT_THAT(other->Close(), IsOk());
}
#endif

TEST_P(BalanceTest, MorePageSizesThanExtentsAreRefused) {
  const test::TempHome home;
  EnvOptions options;
  options.cache_bytes = 65536;
  auto opened = *test::OpenBoth(home.path(), options);
  EXPECT_THAT(
      opened.env->OpenFile("other.db", {.page_size = 512, .create = true}),
      Fails(StatusCode::kInvalidArgument, "other.db", "2 page sizes",
            "can be cut for 1"));
  EXPECT_THAT(PutText(*opened.file, 0, "x"), IsOk());
}

// The last extent of these caches has 512 bytes.
class ShortExtentTest : public ::testing::TestWithParam<uint64_t> {};
INSTANTIATE_TEST_SUITE_P(Bytes, ShortExtentTest,
                         ::testing::Values((64 << 10) + 512, (128 << 10) + 512,
                                           (2 << 20) + 512));

TEST_P(ShortExtentTest, SecondSizeHasFramesOrIsRefused) {
  for (uint32_t first = 512; first <= 65536; first *= 2) {
    for (uint32_t second = 512; second <= 65536; second *= 2) {
      SCOPED_TRACE(absl::StrCat(first, " then ", second));
      const test::TempHome home;
      auto env = *DbEnv::Open(home.path(), {.cache_bytes = GetParam(),
                                            .backing = Backing::kHeap});
      std::vector<std::unique_ptr<MPoolFile>> files;
      for (const uint32_t size : {first, second}) {
        auto file = env->OpenFile(absl::StrCat(size),
                                  {.page_size = size, .create = true});
        if (!file.ok()) {
          EXPECT_THAT(file, Fails(StatusCode::kInvalidArgument));
          continue;
        }
        EXPECT_THAT(PutText(**file, 0, "put"), IsOk());
        files.push_back(*std::move(file));
      }
    }
  }
}

TEST(ShortExtentResizeTest, ShrinkLeavingSizeEmptyIsRefused) {
  const test::TempHome home;
  auto env = *DbEnv::Open(home.path(), {.cache_bytes = kCache});
  auto small = *env->OpenFile("a", {.page_size = 4096, .create = true});
  auto large = *env->OpenFile("b", {.page_size = 8192, .create = true});
  const uint64_t extent = kCache / 32;
  for (PageNo page = 0; page < 200; ++page) {
    ASSERT_THAT(PutText(*small, page, absl::StrCat(page)), IsOk());
    ASSERT_THAT(PutText(*large, page, absl::StrCat(page)), IsOk());
  }
  EXPECT_THAT(env->Resize(extent + 512),
              Fails(StatusCode::kInvalidArgument, "2 page sizes", "cut for 1"));
  for (const uint64_t bytes : {2 * extent + 512, extent + 8192}) {
    ASSERT_THAT(env->Resize(bytes), IsOk());
    EXPECT_EQ(env->Stats().backed_bytes, bytes);
    for (PageNo page = 0; page < 200; ++page) {
      ASSERT_EQ(GetText(*small, page), absl::StrCat(page));
      ASSERT_EQ(GetText(*large, page), absl::StrCat(page));
    }
  }
  EXPECT_THAT(small->Close(), IsOk());
  EXPECT_THAT(large->Close(), IsOk());
}

}  // namespace
}  // namespace mpool
