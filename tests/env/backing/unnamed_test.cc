// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// unnamed_test.cc - environments that only a process and its forked children
// can share: the refused processes, the time until they may open, and the loss
// by a death.

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "absl/time/clock.h"
#include "tests/support/backing_suite.h"
#include "tests/support/system.h"

namespace mpool {
namespace {

using absl::StatusCode;
using os::BackingText;
using test::Channel;
using test::Child;
using test::Fails;
using test::GetText;
using test::IsOk;
using test::OpenBoth;
using test::PutText;
using test::SmallEnv;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class UnnamedTest : public BackingTest {};
INSTANTIATE_TEST_SUITE_P(All, UnnamedTest,
                         ::testing::ValuesIn(os::kUnnamedBackings),
                         BackingText);

TEST_P(UnnamedTest, ChildWithoutFdsGetsReason) {
  auto both = *Open();
  ASSERT_THAT(PutText(*both.file, 0, "put"), IsOk());
  EXPECT_THAT(os::InChild([&] {
                ::closefrom(3);
                return GetText(*both.file, 0);
              }),
              HasSubstr("the program closed the fd of their lock file"));
  EXPECT_EQ(GetText(*both.file, 0), "put");
}

TEST(HeapTest, HomeWithNamedRegionIsRefused) {
  const test::TempHome home;
  EXPECT_EQ(os::InChild([&] {
              auto both = *test::OpenBoth(home.path(), SmallEnv());
              EXPECT_THAT(PutText(*both.file, 0, "put"), IsOk());
              ::raise(SIGKILL);
              return std::string();
            }),
            "signal 9");
  EXPECT_THAT(DbEnv::Open(home.path(), SmallEnv(Backing::kHeap)),
              Fails(StatusCode::kFailedPrecondition, home.path(),
                    "pages that are on no disk", "mpool remove"));
  EXPECT_THAT(DbEnv::Remove(home.path()), IsOk());
  auto both = *test::OpenBoth(home.path(), SmallEnv(Backing::kHeap));
  EXPECT_EQ(GetText(*both.file, 0), "put");
}

class HeapWriteErrorTest : public os::SyscallTest {
 protected:
  const test::TempHome home_;
};

TEST(HeapTest, FileIsRefusedBesideNamedRegion) {
  const test::TempHome home;
  auto env = *DbEnv::Open(home.path(), SmallEnv(Backing::kHeap));
  Stranger stranger(home.path(), "exchange");
  EXPECT_EQ(stranger.child().End(), "");
  EXPECT_THAT(env->OpenFile("pages.db"),
              Fails(StatusCode::kFailedPrecondition, "mpool remove"));
  EXPECT_THAT(env->Close(), IsOk());
  EXPECT_THAT(DbEnv::Remove(home.path()), IsOk());
}

TEST_F(HeapWriteErrorTest, ARefusedOpenLeavesNoHandle) {
  auto both = *test::OpenBoth(home_.path(), SmallEnv(Backing::kHeap),
                              "own.db");
  ASSERT_THAT(PutText(*both.file, 0, "put"), IsOk());
  os::Sys().pwritev = [](int, const iovec*, int, off_t) -> ssize_t {
    errno = EIO;
    return -1;
  };
  both.file = nullptr;
  Stranger stranger(home_.path(), "exchange");
  EXPECT_EQ(stranger.child().End(), "");
  EXPECT_THAT(both.env->OpenFile("own.db"),
              Fails(StatusCode::kFailedPrecondition, "mpool remove"));
  os::Sys() = os::RealSyscalls();
  EXPECT_THAT(both.env->Close(), IsOk());
  EXPECT_EQ(test::DiskText(home_.Below("own.db"), 0), "put");
  EXPECT_THAT(DbEnv::Remove(home_.path()), IsOk());
}

TEST_P(UnnamedTest, RefusedProgramGetsReason) {
  auto both = *Open();
  ASSERT_THAT(PutText(*both.file, 0, "put"), IsOk());
  Stranger stranger(home_.path(), "exchange");
  EXPECT_THAT(stranger.Output(),
              ::testing::AllOf(HasSubstr("FAILED_PRECONDITION"),
                               HasSubstr(home_.path()), HasSubstr("forked"),
                               HasSubstr("use kPosixShm, kFile or kSysV")));
  EXPECT_THAT(DbEnv::Remove(home_.path()),
              Fails(StatusCode::kFailedPrecondition, "in use"));
  EXPECT_THAT(test::FilesIn(home_.path()), ElementsAre("pages.db"));
  ASSERT_THAT(both.Close(), IsOk());
  Stranger later(home_.path(), "exchange");
  EXPECT_EQ(later.Output(), "put");
  EXPECT_EQ(later.child().End(), "");
}

TEST_P(UnnamedTest, HomeWithNamedRegionIsRefused) {
  auto named = *OpenBoth(home_.path(), SmallEnv());
  ASSERT_THAT(named.Close(), IsOk());
  EXPECT_THAT(Open(), Fails(StatusCode::kFailedPrecondition, home_.path(),
                            "other processes can join", "mpool remove"));
  ASSERT_THAT(DbEnv::Remove(home_.path()), IsOk());
  EXPECT_THAT(Open(), IsOk());
}

TEST_P(UnnamedTest, ChildAfterLastCloseOpensAgain) {
  auto both = *Open();
  ASSERT_THAT(PutText(*both.file, 0, "old"), IsOk());
  Child child([&](Channel& parent) -> std::string {
    parent.Hear();
    EXPECT_THAT(both.file->Get(0), Fails(StatusCode::kFailedPrecondition,
                                         "open it again in the child"));
    auto own = *Open();
    EXPECT_EQ(GetText(*own.file, 0), "new");
    return own.Close().ToString();
  });
  ASSERT_THAT(both.Close(), IsOk());
  both = *Open();
  ASSERT_THAT(PutText(*both.file, 0, "new"), IsOk());
  ASSERT_THAT(both.Close(), IsOk());
  child.Say("go");
  EXPECT_EQ(child.End(), "OK");
}

// Until the idle child ends, it could attach.
TEST_P(UnnamedTest, IdleChildOfKilledParentExcludesOthers) {
  Child parent([&](Channel& line) -> std::string {
    auto both = *Open();
    Child child([&](Channel&) -> std::string {
      ::prctl(PR_SET_PDEATHSIG, 0);
      line.Say("ready");
      line.Hear();
      return "";
    });
    return child.End();
  });
  ASSERT_EQ(parent.Hear(), "ready");
  ASSERT_EQ(::kill(parent.pid(), SIGKILL), 0);
  siginfo_t dead = {};
  ASSERT_EQ(::waitid(P_PID, static_cast<id_t>(parent.pid()), &dead,
                     WEXITED | WNOWAIT),
            0);
  EXPECT_THAT(Open(), Fails(StatusCode::kFailedPrecondition, "in use"));
  parent.Say("go");
  EXPECT_EQ(parent.End(), test::kKilled);
  absl::StatusOr<test::Opened> both = Open();
  for (int i = 0; i < 100 && !both.ok(); ++i) {
    absl::SleepFor(absl::Milliseconds(10));
    both = Open();
  }
  EXPECT_THAT(both, IsOk());
}

TEST_P(UnnamedTest, UnsyncedPagesDieWithAllProcesses) {
  EXPECT_EQ(test::InChild([&]() -> std::string {
              auto both = *Open();
              EXPECT_THAT(PutText(*both.file, 0, "synced"), IsOk());
              EXPECT_THAT(both.file->Sync(), IsOk());
              EXPECT_THAT(PutText(*both.file, 0, "put"), IsOk());
              ::raise(SIGKILL);
              return "";
            }),
            test::kKilled);
  auto both = *Open();
  EXPECT_EQ(GetText(*both.file, 0), "synced");
}

}  // namespace
}  // namespace mpool
