// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// mismatch_test.cc - a program opens a home with other options than its region
// has: after a restart, or beside another process.

#include <signal.h>

#include <string>
#include <vector>

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
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr uint64_t kMiB = uint64_t{1} << 20;

class MismatchTest : public ::testing::Test {
 protected:
  // Options that report kOptionsDiffer to events_.
  EnvOptions Asking(uint64_t cache_bytes, Policy policy = Policy::kClock) {
    EnvOptions options;
    options.cache_bytes = cache_bytes;
    options.policy = policy;
    options.on_event = [this](const Event& event) {
      if (event.kind == Event::Kind::kOptionsDiffer) {
        events_.push_back(event.message);
      }
    };
    return options;
  }
  // A process puts `text` on page 0 and closes, or dies.
  void RunBefore(const EnvOptions& options, const std::string& text,
                 bool dies = false) {
    test::InChild([&]() -> std::string {
      auto both = *OpenBoth(home_.path(), options);
      EXPECT_THAT(PutText(*both.file, 0, text), IsOk());
      if (dies) ::raise(SIGKILL);
      return both.Close().ToString();
    });
  }

  const TempHome home_;
  std::vector<std::string> events_;
};

TEST_F(MismatchTest, IdleRegionGetsTheSizeAndPolicyAskedFor) {
  RunBefore(Asking(kMiB), "kept");
  auto both = *OpenBoth(home_.path(), Asking(4 * kMiB, Policy::kLru));
  const EffectiveOptions now = both.env->Effective();
  EXPECT_EQ(now.cache_bytes, 4 * kMiB);
  EXPECT_EQ(now.max_cache_bytes, 16 * kMiB);
  EXPECT_EQ(now.policy, Policy::kLru);
  EXPECT_EQ(now.backing, Backing::kPosixShm);
  EXPECT_EQ(now.mode, 0600);
  EXPECT_EQ(both.env->Stats().origin, Origin::kNew);
  EXPECT_EQ(GetText(*both.file, 0), "kept");
  EXPECT_THAT(events_, IsEmpty());
  EXPECT_THAT(both.env->Resize(16 * kMiB), IsOk());
  EXPECT_EQ(both.env->Effective().cache_bytes, 16 * kMiB);
}

TEST_F(MismatchTest, DirtyPagesOfTheDeadAreWrittenFirst) {
  RunBefore(Asking(kMiB), "dirty", /*dies=*/true);
  EXPECT_NE(test::DiskText(home_.Below("pages.db"), 0), "dirty");
  auto both = *OpenBoth(home_.path(), Asking(2 * kMiB));
  EXPECT_EQ(both.env->Effective().cache_bytes, 2 * kMiB);
  EXPECT_EQ(test::DiskText(home_.Below("pages.db"), 0), "dirty");
  EXPECT_EQ(GetText(*both.file, 0), "dirty");
}

// Without the log's callback its pages cannot be written.
TEST_F(MismatchTest, RegionWithUnwritablePagesIsKept) {
  test::InChild([&]() -> std::string {
    EnvOptions options = Asking(kMiB);
    options.log_flush = [](Lsn) { return absl::OkStatus(); };
    auto env = *DbEnv::Open(home_.path(), options);
    auto file = *env->OpenFile("log.db", {.create = true, .lsn_offset = 0});
    auto page = *file->New();
    page.set_lsn({1, 2});
    page.Put();
    ::raise(SIGKILL);
    return "";
  });
  auto env = DbEnv::Open(home_.path(), Asking(2 * kMiB));
  ASSERT_THAT(env, IsOk());
  EXPECT_EQ((*env)->Effective().cache_bytes, kMiB);
  EXPECT_GT((*env)->Stats().frames_dirty, 0u);
  EXPECT_THAT(events_, ElementsAre(HasSubstr("not all on disk")));
}

TEST_F(MismatchTest, RegionInUseIsKeptAndReported) {
  Child user([&](Channel& parent) {
    auto both = *OpenBoth(home_.path(), Asking(kMiB));
    parent.Say("open");
    parent.Hear();
    return both.Close().ToString();
  });
  ASSERT_EQ(user.Hear(), "open");
  auto env = DbEnv::Open(home_.path(), Asking(2 * kMiB, Policy::kLru));
  ASSERT_THAT(env, IsOk());
  EXPECT_EQ((*env)->Effective().cache_bytes, kMiB);
  EXPECT_THAT(events_,
              ElementsAre(AllOf(
                  HasSubstr("cache_bytes 1048576 (asked for 2097152)"),
                  HasSubstr("policy clock (asked for lru)"),
                  HasSubstr("in use"))));
  // A second handle of this process asks for something else too.
  EXPECT_THAT(DbEnv::Open(home_.path(), Asking(8 * kMiB)), IsOk());
  env->reset();
  user.Say("end");
  EXPECT_EQ(user.End(), "OK");
}

TEST_F(MismatchTest, KeepAndFailLeaveTheRegion) {
  RunBefore(Asking(kMiB), "x");
  EnvOptions options = Asking(2 * kMiB);
  options.on_mismatch = Mismatch::kFail;
  EXPECT_THAT(DbEnv::Open(home_.path(), options),
              Fails(StatusCode::kFailedPrecondition, home_.path(),
                    "cache_bytes 1048576 (asked for 2097152)"));
  options.on_mismatch = Mismatch::kKeep;
  auto env = DbEnv::Open(home_.path(), options);
  ASSERT_THAT(env, IsOk());
  EXPECT_EQ((*env)->Effective().cache_bytes, kMiB);
  EXPECT_THAT(events_, ElementsAre(HasSubstr("kKeep")));
}

TEST_F(MismatchTest, DefaultsAskForNothing) {
  EnvOptions options = Asking(kMiB, Policy::kLru);
  options.max_cache_bytes = 2 * kMiB;
  options.mode = 0640;
  RunBefore(options, "x");
  auto env = DbEnv::Open(home_.path(), Asking(0));
  ASSERT_THAT(env, IsOk());
  EXPECT_EQ((*env)->Effective().cache_bytes, kMiB);
  EXPECT_EQ((*env)->Effective().policy, Policy::kLru);
  EXPECT_EQ((*env)->Effective().mode, 0640);
  EXPECT_THAT(events_, IsEmpty());
}

TEST_F(MismatchTest, ResizeOutlastsTheRestart) {
  auto env = *DbEnv::Open(home_.path(), Asking(kMiB));
  EXPECT_THAT(env->Resize(3 * kMiB), IsOk());
  EXPECT_THAT(env->Close(), IsOk());
  for (const uint64_t bytes : {kMiB, 3 * kMiB}) {
    env = *DbEnv::Open(home_.path(), Asking(bytes));
    EXPECT_EQ(env->Effective().cache_bytes, 3 * kMiB);
    EXPECT_THAT(env->Close(), IsOk());
  }
  EXPECT_THAT(events_, IsEmpty());
}

TEST_F(MismatchTest, ClosedHandleHasNoOptions) {
  auto env = *DbEnv::Open(home_.path(), Asking(kMiB));
  EXPECT_THAT(env->Close(), IsOk());
  EXPECT_EQ(env->Effective().cache_bytes, 0u);
}

}  // namespace
}  // namespace mpool
