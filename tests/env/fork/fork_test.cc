// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// fork_test.cc - the calls that a forked child may make on an environment that
// its parent has open.

#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mpool/mpool.h"
#include "os/step.h"
#include "region/limits.h"
#include "tests/support/all_backings.h"
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
using test::SmallEnv;
using test::TempHome;
using test::TextOn;

class ForkTest : public ::testing::TestWithParam<Backing> {
 protected:
  TempHome home_;
};
INSTANTIATE_TEST_SUITE_P(Shared, ForkTest,
                         ::testing::ValuesIn(os::kForkedBackings),
                         os::BackingText);

TEST_P(ForkTest, ChildsInheritedGuardDoesNothing) {
  auto both = *OpenBoth(home_.path(), SmallEnv(GetParam()));
  ASSERT_THAT(PutText(*both.file, 0, "parent"), IsOk());
  ASSERT_THAT(PutText(*both.file, 1, "other"), IsOk());
  auto guard = *both.file->GetForUpdate(0);
  Child child([&](Channel& parent) -> std::string {
    { WritePage inherited = std::move(guard); }
    guard.Put();
    EXPECT_EQ(both.env->Stats().processes, 1u);
    EXPECT_EQ(GetText(*both.file, 1), "other");
    EXPECT_EQ(both.env->Stats().processes, 2u);
    GetOptions options;
    options.wait = absl::ZeroDuration();
    EXPECT_THAT(both.file->Get(0, options),
                Fails(StatusCode::kDeadlineExceeded,
                      "process " + std::to_string(::getppid())));
    EXPECT_THAT(PutText(*both.file, 2, "child"), IsOk());
    parent.Say("used it");
    parent.Hear();
    return both.Close().ToString();
  });
  ASSERT_EQ(child.Hear(), "used it");
  // The child did not touch the parent's page.
  test::Fill(guard.data(), "changed");
  guard.Put();
  EXPECT_EQ(GetText(*both.file, 0), "changed");
  EXPECT_EQ(GetText(*both.file, 2), "child");
  child.Say("go");
  EXPECT_EQ(child.End(), "OK");
  EXPECT_EQ(both.env->Stats().processes, 1u);
  EXPECT_THAT(both.Close(), IsOk());
  EXPECT_EQ(test::DiskText(home_.Below("pages.db"), 0), "changed");
}

TEST_P(ForkTest, ChildExitingWithoutCloseIsRepaired) {
  auto both = *OpenBoth(home_.path(), SmallEnv(GetParam()));
  ASSERT_THAT(PutText(*both.file, 0, "clean"), IsOk());
  ASSERT_THAT(both.file->Sync(), IsOk());
  ASSERT_EQ(test::InChild([&] {
              const auto held = both.file->GetForUpdate(0);
              ::_exit(held.ok() ? 7 : 8);
              return std::string();
            }),
            "exit 7");
  // The page and the process slot are free again.
  EXPECT_THAT(PutText(*both.file, 0, "again"), IsOk());
  EXPECT_THAT(both.env->FailCheck(), IsOk());
  EXPECT_EQ(both.env->Stats().processes, 1u);
  EXPECT_EQ(both.env->Stats().repairs, 1u);
  EXPECT_THAT(both.Close(), IsOk());
}

TEST_P(ForkTest, IdleChildClosesInheritedHandles) {
  auto both = *OpenBoth(home_.path(), SmallEnv(GetParam()));
  ASSERT_THAT(PutText(*both.file, 0, "x"), IsOk());
  auto guard = *both.file->Get(0);
  EXPECT_EQ(test::InChild([&] {
              const absl::Status status = both.Close();
              both = {};
              return status.ToString();
            }),
            "OK");
  EXPECT_EQ(test::InChild([&]() -> std::string {
              both.file = {};
              EXPECT_EQ(both.env->Stats().processes, 1u);
              both = {};
              return "dropped";
            }),
            "dropped");
  EXPECT_THAT(both.env->FailCheck(), IsOk());
  EXPECT_EQ(both.env->Stats().processes, 1u);
  EXPECT_EQ(TextOn(guard.data()), "x");
  guard.Put();
  EXPECT_EQ(GetText(*both.file, 0), "x");
  EXPECT_THAT(both.Close(), IsOk());
}

TEST_P(ForkTest, ChildContinuesAfterParentLeft) {
  auto both = *OpenBoth(home_.path(), SmallEnv(GetParam()));
  ASSERT_THAT(PutText(*both.file, 0, "x"), IsOk());
  Child child([&](Channel& parent) -> std::string {
    EXPECT_EQ(GetText(*both.file, 0), "x");
    parent.Say("in");
    parent.Hear();
    EXPECT_THAT(PutText(*both.file, 0, "child alone"), IsOk());
    EXPECT_EQ(both.env->Stats().processes, 1u);
    return both.Close().ToString();
  });
  ASSERT_EQ(child.Hear(), "in");
  EXPECT_THAT(both.Close(), IsOk());
  child.Say("go");
  EXPECT_EQ(child.End(), "OK");
  EXPECT_EQ(test::DiskText(home_.Below("pages.db"), 0), "child alone");
}

TEST_P(ForkTest, LateChildOpensAgain) {
  auto both = *OpenBoth(home_.path(), SmallEnv(GetParam()));
  ASSERT_THAT(PutText(*both.file, 0, "x"), IsOk());
  Child child([&](Channel& parent) -> std::string {
    parent.Hear();
    EXPECT_THAT(both.file->Get(0),
                Fails(StatusCode::kFailedPrecondition, home_.path(),
                      "forked child", "open it again in the child"));
    auto own = OpenBoth(home_.path(), SmallEnv(GetParam()));
    EXPECT_THAT(own, IsOk());
    EXPECT_EQ(GetText(*own->file, 0), "x");
    EXPECT_EQ(own->env->Stats().processes, 1u);
    return own->Close().ToString();
  });
  ASSERT_THAT(both.Close(), IsOk());
  ASSERT_THAT(DbEnv::Remove(home_.path()), IsOk());
  child.Say("go");
  EXPECT_EQ(child.End(), "OK");
}

TEST_P(ForkTest, ChildOfRemovedHomeLeavesNothing) {
  auto both = *OpenBoth(home_.path(), SmallEnv(GetParam()));
  Child child([&](Channel& parent) -> std::string {
    parent.Hear();
    EXPECT_THAT(both.file->Get(0), Fails(StatusCode::kFailedPrecondition));
    return "told";
  });
  ASSERT_THAT(both.Close(), IsOk());
  ASSERT_THAT(DbEnv::Remove(home_.path()), IsOk());
  child.Say("go");
  EXPECT_EQ(child.End(), "told");
  EXPECT_THAT(test::AllOf(home_.path()), ::testing::ElementsAre("pages.db"));
}

TEST_P(ForkTest, FileOfChangedPageSizeIsRefused) {
  auto both = *OpenBoth(home_.path(), SmallEnv(GetParam()));
  for (PageNo page = 0; page < 4; ++page) {
    ASSERT_THAT(PutText(*both.file, page, "x"), IsOk());
  }
  Child child([&](Channel& parent) -> std::string {
    parent.Hear();
    EXPECT_THAT(both.file->Get(0), Fails(StatusCode::kFailedPrecondition,
                                         "forked child"));
    return "told";
  });
  ASSERT_THAT(both.file->Close(), IsOk());
  auto large = *both.env->OpenFile("pages.db", {.page_size = 8192});
  ASSERT_THAT(PutText(*large, 0, "large"), IsOk());
  child.Say("go");
  EXPECT_EQ(child.End(), "told");
  EXPECT_EQ(GetText(*large, 0), "large");
}

TEST_P(ForkTest, OpenInChildEntersInheritedAttachment) {
  auto both = *OpenBoth(home_.path(), SmallEnv(GetParam()));
  ASSERT_THAT(PutText(*both.file, 0, "x"), IsOk());
  EXPECT_EQ(test::InChild([&] {
              auto own = *OpenBoth(home_.path(), SmallEnv(GetParam()));
              EXPECT_EQ(own.env->Stats().processes, 2u);
              EXPECT_EQ(GetText(*own.file, 0), "x");
              EXPECT_THAT(own.Close(), IsOk());
              return both.Close().ToString();
            }),
            "OK");
  EXPECT_EQ(both.env->Stats().processes, 1u);
  EXPECT_THAT(both.Close(), IsOk());
}

TEST_P(ForkTest, GrandchildIsOwnProcess) {
  auto both = *OpenBoth(home_.path(), SmallEnv(GetParam()));
  ASSERT_THAT(PutText(*both.file, 0, "x"), IsOk());
  EXPECT_EQ(test::InChild([&] {
              EXPECT_EQ(GetText(*both.file, 0), "x");
              EXPECT_EQ(test::InChild([&] {
                          EXPECT_EQ(GetText(*both.file, 0), "x");
                          EXPECT_EQ(both.env->Stats().processes, 3u);
                          return both.Close().ToString();
                        }),
                        "OK");
              EXPECT_EQ(both.env->Stats().processes, 2u);
              return both.Close().ToString();
            }),
            "OK");
  EXPECT_EQ(both.env->Stats().processes, 1u);
}

// The child's handle must not lead to another file that reuses the entry.
TEST_P(ForkTest, FileClosedByParentIsRefused) {
  auto both = *OpenBoth(home_.path(), SmallEnv(GetParam()));
  ASSERT_THAT(PutText(*both.file, 0, "first"), IsOk());
  Child child([&](Channel& parent) -> std::string {
    parent.Hear();
    for (int i = 0; i < 3; ++i) {
      EXPECT_THAT(both.file->Get(0), Fails(StatusCode::kFailedPrecondition,
                                           "forked child", home_.path()));
      EXPECT_THAT(both.file->GetForUpdate(0),
                  Fails(StatusCode::kFailedPrecondition, "forked child"));
      EXPECT_EQ(both.env->Stats().processes, 1u);
    }
    if (os::ReachOf(GetParam()) == os::Reach::kForkedChildren) {
      // The child can attach only through the handle that it inherited.
      EXPECT_THAT(OpenBoth(home_.path(), SmallEnv(GetParam())),
                  Fails(StatusCode::kFailedPrecondition, "forked child"));
      EXPECT_THAT(both.file->Close(), IsOk());
    }
    auto own = *OpenBoth(home_.path(), SmallEnv(GetParam()));
    EXPECT_EQ(GetText(*own.file, 0), "first");
    return own.Close().ToString();
  });
  Child idle([&](Channel& parent) -> std::string {
    parent.Hear();
    return both.Close().ToString();
  });
  // An entry is given to another file only once it is synced.
  ASSERT_THAT(both.file->Sync(), IsOk());
  ASSERT_THAT(both.file->Close(), IsOk());
  // Another file reuses the entry when no other entry is left.
  std::unique_ptr<MPoolFile> other;
  for (uint32_t i = 0; i < kMaxFiles; ++i) {
    other = *both.env->OpenFile("other." + std::to_string(i), {.create = true});
  }
  ASSERT_THAT(PutText(*other, 0, "other"), IsOk());
  child.Say("go");
  EXPECT_EQ(child.End(), "OK");
  idle.Say("go");
  EXPECT_EQ(idle.End(), "OK");
  EXPECT_EQ(GetText(*other, 0), "other");
}

TEST_P(ForkTest, ThreadsOfChildAttachTogether) {
  auto both = *OpenBoth(home_.path(), SmallEnv(GetParam()));
  ASSERT_THAT(PutText(*both.file, 0, "x"), IsOk());
  EXPECT_EQ(
      test::InChild([&] {
        std::vector<std::thread> threads;
        for (int i = 0; i < 8; ++i) {
          threads.emplace_back([&] { EXPECT_EQ(GetText(*both.file, 0), "x"); });
        }
        for (std::thread& thread : threads) thread.join();
        EXPECT_EQ(both.env->Stats().processes, 2u);
        return both.Close().ToString();
      }),
      "OK");
}

#ifdef MPOOL_STEPS
TEST_P(ForkTest, CloseWaitsForAttachingThread) {
  auto both = *OpenBoth(home_.path(), SmallEnv(GetParam()));
  ASSERT_THAT(PutText(*both.file, 0, "x"), IsOk());
  auto other = *both.env->OpenFile("other.db", {.create = true});
  EXPECT_EQ(test::InChild([&] {
              std::thread closer;
              std::atomic<bool> closed = false;
              os::CallAtStep("region.join.live", [&] {
                closer = std::thread([&] {
                  EXPECT_THAT(other->Close(), IsOk());
                  closed = true;
                });
                ::usleep(20'000);
                EXPECT_FALSE(closed);
              });
              EXPECT_EQ(GetText(*both.file, 0), "x");
              closer.join();
              return both.Close().ToString();
            }),
            "OK");
  EXPECT_THAT(other->Close(), IsOk());
  // No other process has the file open.
  EXPECT_THAT(both.env->OpenFile("other.db", {.page_size = 8192}), IsOk());
}
#endif

TEST(HeapForkTest, ChildOpensOwnHeap) {
  const TempHome home;
  auto both = *OpenBoth(home.path(), SmallEnv(Backing::kHeap));
  ASSERT_THAT(PutText(*both.file, 0, "parent"), IsOk());
  ASSERT_THAT(both.file->Sync(), IsOk());
  ASSERT_THAT(PutText(*both.file, 0, "unwritten"), IsOk());
  auto guard = *both.file->Get(0);
  EXPECT_EQ(test::InChild([&]() -> std::string {
              guard.Put();
              EXPECT_THAT(both.file->Get(0),
                          Fails(StatusCode::kFailedPrecondition, home.path(),
                                "forked child", "shared backing"));
              EXPECT_THAT(both.env->Sync(),
                          Fails(StatusCode::kFailedPrecondition));
              EXPECT_THAT(OpenBoth(home.path(), SmallEnv(Backing::kHeap)),
                          Fails(StatusCode::kFailedPrecondition, "pages.db",
                                "another environment"));
              auto own = *OpenBoth(home.path(), SmallEnv(Backing::kHeap),
                                   "own.db");
              EXPECT_THAT(PutText(*own.file, 0, "child"), IsOk());
              EXPECT_THAT(own.Close(), IsOk());
              both = {};
              return "done";
            }),
            "done");
  EXPECT_EQ(TextOn(guard.data()), "unwritten");
  guard.Put();
  EXPECT_THAT(both.Close(), IsOk());
  EXPECT_EQ(test::DiskText(home.Below("pages.db"), 0), "unwritten");
}

class NamedForkTest : public ForkTest {};
INSTANTIATE_TEST_SUITE_P(Shared, NamedForkTest,
                         ::testing::ValuesIn(os::kSharedBackings),
                         os::BackingText);

// The parent was the last process that had the file open. It had opened the
// file only to write it back.
TEST_P(NamedForkTest, FileWrittenBackIsNotInherited) {
  auto env = *DbEnv::Open(home_.path(), SmallEnv(GetParam()));
  const std::string path = home_.Below("pages.db");
  Child writer([&](Channel&) -> std::string {
    auto file = *env->OpenFile("pages.db", {.create = true});
    EXPECT_THAT(PutText(*file, 0, "put"), IsOk());
    ::raise(SIGKILL);
    return "";
  });
  EXPECT_EQ(writer.End(), test::kKilled);
  EXPECT_THAT(env->FailCheck(), IsOk());
  EXPECT_THAT(env->Sync(), IsOk());
  Child child([&](Channel& parent) {
    EXPECT_THAT(env->FailCheck(), IsOk());
    parent.Say("in");
    parent.Hear();
    return env->Close().ToString();
  });
  ASSERT_EQ(child.Hear(), "in");
  EXPECT_THAT(env->Close(), IsOk());
  const TempHome other;
  auto both = OpenBoth(other.path(), SmallEnv(), path);
  ASSERT_THAT(both, IsOk());
  EXPECT_EQ(GetText(*both->file, 0), "put");
  child.Say("end");
  EXPECT_EQ(child.End(), "OK");
}

TEST_P(NamedForkTest, ChildSeesChangesBeforeItAttached) {
  auto both = *OpenBoth(home_.path(), SmallEnv(GetParam()));
  ASSERT_THAT(PutText(*both.file, 0, "old"), IsOk());
  Child child([&](Channel& parent) {
    parent.Hear();
    return GetText(*both.file, 0);
  });
  ASSERT_THAT(both.file->Close(), IsOk());
  EXPECT_EQ(test::InChild([&]() -> std::string {
              const TempHome other;
              auto second = *OpenBoth(other.path(), SmallEnv(),
                                      home_.Below("pages.db"));
              EXPECT_THAT(PutText(*second.file, 0, "new"), IsOk());
              return second.Close().ToString();
            }),
            "OK");
  child.Say("go");
  EXPECT_EQ(child.End(), "new");
  ASSERT_THAT(both.env->Close(), IsOk());
}

TEST_P(NamedForkTest, ChildWithoutFileEntriesIsRefused) {
  auto both = *OpenBoth(home_.path(), SmallEnv(GetParam()), "pages.db", 65536);
  ASSERT_THAT(PutText(*both.file, 0, "put"), IsOk());
  Child child([&](Channel& parent) {
    parent.Hear();
    return GetText(*both.file, 0);
  });
  ASSERT_THAT(both.file->Close(), IsOk());
  ASSERT_THAT(both.env->Resize(512 << 10), IsOk());
  child.Say("go");
  EXPECT_THAT(child.End(), ::testing::HasSubstr("room for 8 pages of 65536"));
  ASSERT_THAT(both.env->Close(), IsOk());
}

}  // namespace
}  // namespace mpool
