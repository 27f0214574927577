// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// crash_again_test.cc - the same death many times in one environment: its
// resources are as at the start. MPOOL_ROUNDS asks for more deaths.

#include <signal.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mpool/mpool.h"
#include "tests/support/all_backings.h"
#include "tests/support/campaign.h"
#include "tests/support/child.h"
#include "tests/support/pages.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_home.h"

namespace mpool {
namespace {

namespace fs = std::filesystem;

using test::GetText;
using test::IsOk;
using test::OpenBoth;
using test::PutText;
using test::SmallEnv;
using test::TempHome;

size_t EntriesOf(const std::string& directory) {
  return static_cast<size_t>(std::distance(
      fs::directory_iterator(directory), fs::directory_iterator()));
}

// Every resource that a death could use up.
struct Holdings {
  explicit Holdings(const DbEnv& env, const std::string& home)
      : stats(env.Stats()),
        files(test::AllOf(home)),
        descriptors(EntriesOf("/proc/self/fd")) {
    std::ifstream maps("/proc/self/maps");
    mappings = static_cast<size_t>(
        std::count(std::istreambuf_iterator<char>(maps), {}, '\n'));
  }
  EnvStats stats;
  std::vector<std::string> files;
  size_t descriptors = 0;
  size_t mappings = 0;
};

using Death = void (*)(MPoolFile&);
class CrashAgainTest
    : public ::testing::TestWithParam<std::tuple<Backing, Death>> {};

void HoldingAPage(MPoolFile& file) {
  auto page = *file.Get(3);
  ::raise(SIGKILL);
}
void HoldingMoreThanTheLedgerHas(MPoolFile& file) {
  std::vector<ReadPage> pages;
  for (PageNo page = 0; page < 40; ++page) pages.push_back(*file.Get(page));
  ::raise(SIGKILL);
}
void ChangingACleanPage(MPoolFile& file) {
  auto page = *file.GetForUpdate(4);
  test::Fill(page.data(), "half");
  ::raise(SIGKILL);
}
void AfterAPut(MPoolFile& file) {
  EXPECT_THAT(PutText(file, 5, "put"), IsOk());
  ::raise(SIGKILL);
}

INSTANTIATE_TEST_SUITE_P(
    All, CrashAgainTest,
    ::testing::Combine(::testing::ValuesIn(os::kForkedBackings),
                       ::testing::Values(HoldingAPage,
                                         HoldingMoreThanTheLedgerHas,
                                         ChangingACleanPage, AfterAPut)));

TEST_P(CrashAgainTest, LeavesAsMuchAsThereWas) {
  const TempHome home;
  auto both = *OpenBoth(home.path(), SmallEnv(std::get<0>(GetParam())));
  for (PageNo page = 0; page < 60; ++page) {
    ASSERT_THAT(PutText(*both.file, page, absl::StrCat(page)), IsOk());
  }
  ASSERT_THAT(both.file->Sync(), IsOk());
  auto die = [&] {
    ASSERT_EQ(test::InChild([&]() -> std::string {
                auto mine = *OpenBoth(home.path());
                std::get<1>(GetParam())(*mine.file);
                return "alive";
              }),
              test::kKilled);
    ASSERT_THAT(both.env->FailCheck(), IsOk());
  };
  // The first death may allocate memory that all later deaths use again.
  die();
  const Holdings before(*both.env, home.path());
  for (uint64_t i = 0; i < test::Rounds(60); ++i) {
    SCOPED_TRACE(absl::StrCat("death ", i));
    die();
    if (HasFatalFailure()) return;
  }
  const Holdings after(*both.env, home.path());
  EXPECT_EQ(after.stats.processes, 1u);
  EXPECT_EQ(after.stats.threads, before.stats.threads);
  EXPECT_EQ(after.stats.region_bytes, before.stats.region_bytes);
  EXPECT_EQ(after.stats.frames_free + after.stats.frames_clean +
                after.stats.frames_dirty,
            before.stats.frames_free + before.stats.frames_clean +
                before.stats.frames_dirty);
  EXPECT_EQ(after.files, before.files);
  EXPECT_EQ(after.descriptors, before.descriptors);
  // The number of the allocator's own mappings varies.
  EXPECT_LT(after.mappings, before.mappings + test::Rounds(60) / 2);
  for (PageNo page = 0; page < 60; ++page) {
    const std::string text = GetText(*both.file, page);
    EXPECT_TRUE(text == absl::StrCat(page) || (page == 5 && text == "put"))
        << page << ": " << text;
  }
  EXPECT_THAT(both.Close(), IsOk());
  EXPECT_THAT(DbEnv::Remove(home.path()), IsOk());
  EXPECT_THAT(test::AllOf(home.path()), ::testing::ElementsAre("pages.db"));
}

}  // namespace
}  // namespace mpool
