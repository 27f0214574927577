// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// overwrite_test.cc - GetOptions::overwrite: nothing is read, and no end of the
// writer leaves a wrong page.

#include <signal.h>
#include <unistd.h>

#include <stdexcept>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mpool/mpool.h"
#include "tests/support/child.h"
#include "tests/support/pages.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_home.h"

namespace mpool {
namespace {

using test::Fails;
using test::Fill;
using test::GetText;
using test::IsOk;
using test::OpenBoth;
using test::PutText;
using test::TempHome;
using test::TextOn;

// The file has the text "old" on each page, and no page is in memory.
class OverwriteTest : public ::testing::Test {
 protected:
  OverwriteTest() {
    both_ = *OpenBoth(home_.path());
    for (PageNo page = 0; page < 4; ++page) {
      EXPECT_THAT(PutText(*both_.file, page, "old"), IsOk());
    }
    StartOver();
  }
  // Leaves no page in memory.
  void StartOver() {
    EXPECT_THAT(both_.Close(), IsOk());
    EXPECT_THAT(DbEnv::Remove(home_.path()), IsOk());
    both_ = *OpenBoth(home_.path());
  }
  WritePage Get(PageNo page) {
    return *both_.file->GetForUpdate(page, {.overwrite = true});
  }
  // Dies while it overwrites page 1.
  static std::string DieIn(MPoolFile& file) {
    auto page = *file.GetForUpdate(1, {.overwrite = true});
    Fill(page.data(), "half");
    ::kill(::getpid(), SIGKILL);
    return "lives";
  }

  const TempHome home_;
  test::Opened both_;
};

TEST_F(OverwriteTest, PageStartsAsZerosWithoutRead) {
  auto page = Get(1);
  EXPECT_EQ(TextOn(page.data()), "");
  EXPECT_EQ(both_.env->Stats().pages_read, 0u);
  Fill(page.data(), "new");
  page.Put();
  EXPECT_EQ(GetText(*both_.file, 1), "new");
  EXPECT_THAT(both_.file->Sync(), IsOk());
  EXPECT_EQ(test::DiskText(home_.Below("pages.db"), 1), "new");
}

TEST_F(OverwriteTest, PageInMemoryKeepsItsBytes) {
  ASSERT_EQ(GetText(*both_.file, 1), "old");
  EXPECT_EQ(TextOn(Get(1).data()), "old");
}

TEST_F(OverwriteTest, PagePastTheEndNeedsCreate) {
  EXPECT_THAT(both_.file->GetForUpdate(9, {.overwrite = true}),
              Fails(absl::StatusCode::kNotFound, "page 9"));
  EXPECT_THAT(both_.file->GetForUpdate(9, {.create = true, .overwrite = true}),
              IsOk());
}

TEST_F(OverwriteTest, DiscardShowsOldPage) {
  auto page = Get(1);
  Fill(page.data(), "half");
  page.Discard();
  EXPECT_FALSE(page);
  EXPECT_EQ(GetText(*both_.file, 1), "old");
}

TEST_F(OverwriteTest, ExceptionShowsOldPage) {
  try {
    auto page = Get(1);
    Fill(page.data(), "half");
    throw std::runtime_error("unwinds");
  } catch (const std::runtime_error&) {
  }
  EXPECT_EQ(GetText(*both_.file, 1), "old");
}

TEST_F(OverwriteTest, MovedGuardIsDiscardedAlike) {
  WritePage moved;
  {
    auto page = Get(1);
    Fill(page.data(), "half");
    moved = std::move(page);
  }
  WritePage again(std::move(moved));
  again.Discard();
  EXPECT_EQ(GetText(*both_.file, 1), "old");
}

TEST_F(OverwriteTest, DeadWriterLeavesOldPage) {
  for (const bool atomic : {false, true}) {
    EXPECT_EQ(test::InChild([&] {
                return DieIn(**both_.env->OpenFile("pages.db",
                                                   {.atomic_update = atomic}));
              }),
              test::kKilled);
    EXPECT_EQ(GetText(*both_.file, 1), "old");
    StartOver();
  }
}

TEST_F(OverwriteTest, AdopterShowsOldPage) {
  both_ = {};
  EXPECT_THAT(DbEnv::Remove(home_.path()), IsOk());
  EXPECT_EQ(test::InChild([&] { return DieIn(*OpenBoth(home_.path())->file); }),
            test::kKilled);
  both_ = *OpenBoth(home_.path());
  EXPECT_EQ(both_.env->Stats().adoptions, 1u);
  EXPECT_EQ(GetText(*both_.file, 1), "old");
}

TEST_F(OverwriteTest, LostPageIsReplaced) {
  EXPECT_EQ(test::InChild([&]() -> std::string {
              auto file = *both_.env->OpenFile("pages.db",
                                               {.atomic_update = false});
              EXPECT_THAT(PutText(*file, 1, "put"), IsOk());
              auto page = *file->GetForUpdate(1);
              ::kill(::getpid(), SIGKILL);
              return "lives";
            }),
            test::kKilled);
  ASSERT_THAT(both_.file->Get(1), Fails(absl::StatusCode::kDataLoss));
  auto page = Get(1);
  EXPECT_EQ(TextOn(page.data()), "");
  Fill(page.data(), "new");
  page.Put();
  EXPECT_EQ(GetText(*both_.file, 1), "new");
}

TEST_F(OverwriteTest, GroupReadsThePage) {
  UpdateGroup group(*both_.env);
  auto page = group.Add(*both_.file, 1, {.overwrite = true});
  ASSERT_THAT(page, IsOk());
  EXPECT_EQ(TextOn((*page)->data()), "old");
  Fill((*page)->data(), "half");
  group.Rollback();
  EXPECT_EQ(GetText(*both_.file, 1), "old");
}

}  // namespace
}  // namespace mpool
