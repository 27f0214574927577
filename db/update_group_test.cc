// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// update_group_test.cc - groups at their limits: pages that cannot be members,
// groups without members, and large groups.

#include <thread>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mpool/mpool.h"
#include "tests/support/child.h"
#include "tests/support/pages.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_home.h"

namespace mpool {
namespace {

using absl::StatusCode;
using test::Channel;
using test::Child;
using test::Fails;
using test::GetText;
using test::IsOk;
using test::OpenBoth;
using test::PutText;
using test::TempHome;

constexpr PageNo kMost = 1024;

class GroupLimitTest : public ::testing::Test {
 protected:
  static test::Opened Open(const TempHome& home) {
    EnvOptions options;
    options.cache_bytes = uint64_t{2} << 20;
    return *OpenBoth(home.path(), options, "pages.db", 512);
  }
  // Adds that many pages and changes them.
  static void Change(UpdateGroup& group, MPoolFile& file, PageNo count) {
    for (PageNo page = 0; page < count; ++page) {
      auto added = group.Add(file, page, {.create = true});
      ASSERT_THAT(added, IsOk()) << page;
      test::Fill((*added)->data(), "changed");
    }
  }

  // Returns the heap bytes in use once all pages have been in memory.
  uint64_t Used() {
    for (PageNo page = 0; page < kMost; ++page) {
      EXPECT_THAT(PutText(*both_.file, page, "old"), IsOk());
    }
    return both_.env->Stats().heap_used;
  }

  TempHome home_;
  test::Opened both_ = Open(home_);
};

TEST_F(GroupLimitTest, AFileOfAnotherEnvironmentIsRefused) {
  const TempHome other_home;
  auto other = Open(other_home);
  ASSERT_THAT(PutText(*both_.file, 0, "here"), IsOk());
  ASSERT_THAT(PutText(*other.file, 0, "there"), IsOk());
  UpdateGroup group(*both_.env);
  EXPECT_THAT(group.Add(*other.file, 0),
              Fails(StatusCode::kInvalidArgument, "another environment",
                    other_home.Below("pages.db")));
  EXPECT_THAT(group.AddNew(*other.file),
              Fails(StatusCode::kInvalidArgument, "another environment"));
  EXPECT_THAT(group.Commit(), IsOk());
  EXPECT_EQ(GetText(*both_.file, 0), "here");
  EXPECT_EQ(GetText(*other.file, 0), "there");
}

TEST_F(GroupLimitTest, LostPageStaysLostInsideGroup) {
  Child dead([&](Channel& parent) -> std::string {
    auto both = Open(home_);
    EXPECT_THAT(PutText(*both.file, 0, "dirty"), IsOk());
    const auto plain = *both.env->OpenFile(
        "pages.db", {.page_size = 512, .atomic_update = false});
    const WritePage page = *plain->GetForUpdate(0);
    parent.Say("in the middle");
    return parent.Hear();
  });
  ASSERT_EQ(dead.Hear(), "in the middle");
  dead.Kill();
  ASSERT_THAT(both_.env->FailCheck(), IsOk());
  UpdateGroup group(*both_.env);
  EXPECT_THAT(group.Add(*both_.file, 0, {.create = true}),
              Fails(StatusCode::kDataLoss, "page 0"));
  group.Rollback();
  EXPECT_THAT(both_.file->Get(0), Fails(StatusCode::kDataLoss, "page 0"));
  EXPECT_THAT(PutText(*both_.file, 0, "anew"), IsOk());
  EXPECT_THAT(group.Add(*both_.file, 0), IsOk());
  group.Rollback();
  EXPECT_EQ(GetText(*both_.file, 0), "anew");
}

TEST_F(GroupLimitTest, NumberWithoutPageIsNoMember) {
  UpdateGroup group(*both_.env);
  Change(group, *both_.file, 4);
  EXPECT_THAT(group.Add(*both_.file, (PageNo{1} << 48) + 3),
              Fails(StatusCode::kInvalidArgument, "page numbers end"));
}

TEST_F(GroupLimitTest, GroupWithoutPageLeavesThreadFree) {
  UpdateGroup empty(*both_.env);
  for (int i = 0; i < 3; ++i) {
    std::thread([&] {
      EXPECT_THAT(empty.Add(*both_.file, 99), Fails(StatusCode::kNotFound));
    }).join();
    std::thread([&] {
      UpdateGroup group(*both_.env);
      Change(group, *both_.file, 2);
      EXPECT_THAT(group.Commit(), IsOk());
    }).join();
  }
}

TEST_F(GroupLimitTest, TakesSoManyPagesAndNoMore) {
  UpdateGroup group(*both_.env);
  Change(group, *both_.file, kMost);
  EXPECT_THAT(group.Add(*both_.file, kMost, {.create = true}),
              Fails(StatusCode::kResourceExhausted,
                    absl::StrCat(kMost, " pages already")));
  EXPECT_THAT(group.Commit(), IsOk());
  EXPECT_EQ(GetText(*both_.file, kMost - 1), "changed");
}

TEST_F(GroupLimitTest, GivesTheMemoryOfItsImagesBack) {
  const uint64_t before = Used();
  {
    UpdateGroup group(*both_.env);
    Change(group, *both_.file, kMost);
    EXPECT_GT(both_.env->Stats().heap_used, before + kMost * 512);
  }
  // A few images and the ledger's overflow blocks stay.
  EXPECT_LT(both_.env->Stats().heap_used, before + (uint64_t{32} << 10));
  EXPECT_EQ(GetText(*both_.file, 0), "old");
  std::thread([&] {
    UpdateGroup group(*both_.env);
    Change(group, *both_.file, 100);
  }).join();
  EXPECT_LT(both_.env->Stats().heap_used, before + (uint64_t{64} << 10));
}

TEST_F(GroupLimitTest, DeadProcesssGroupReturnsMemory) {
  const uint64_t before = Used();
  Child dead([&](Channel& parent) -> std::string {
    auto both = Open(home_);
    UpdateGroup group(*both.env);
    Change(group, *both.file, kMost);
    parent.Say("in the middle");
    return parent.Hear();
  });
  ASSERT_EQ(dead.Hear(), "in the middle");
  dead.Kill();
  const auto report = both_.env->FailCheck();
  ASSERT_THAT(report, IsOk());
  EXPECT_EQ(report->restored, kMost);
  EXPECT_LT(both_.env->Stats().heap_used, before + (uint64_t{64} << 10));
  EXPECT_EQ(GetText(*both_.file, 0), "old");
}

}  // namespace
}  // namespace mpool
