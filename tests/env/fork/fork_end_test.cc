// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// fork_end_test.cc - a parent and its forked child share an environment. One of
// them is killed, exits, or executes another program.

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mpool/mpool.h"
#include "os/step.h"
#include "tests/support/all_backings.h"
#include "tests/support/child.h"
#include "tests/support/pages.h"
#include "tests/support/status_matchers.h"
#include "tests/support/step_names.h"
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

constexpr PageNo kPages = 16;

GetOptions Try() {
  GetOptions options;
  options.wait = absl::ZeroDuration();
  return options;
}

class ForkEndTest : public ::testing::TestWithParam<Backing> {
 protected:
  // The disk has "old" on every page.
  ForkEndTest() {
    auto both = *OpenBoth(home_.path(), SmallEnv(Backing::kHeap));
    for (PageNo page = 0; page < kPages; ++page) {
      EXPECT_THAT(PutText(*both.file, page, "old"), IsOk());
    }
    EXPECT_THAT(both.Close(), IsOk());
  }
  test::Opened Open() const {
    return *OpenBoth(home_.path(), SmallEnv(GetParam()));
  }
  // Checks that only the caller is attached and every page can be changed.
  static void ExpectAlone(test::Opened& both) {
    EXPECT_THAT(both.env->FailCheck(), IsOk());
    EXPECT_EQ(both.env->Stats().processes, 1u);
    for (PageNo page = 0; page < kPages; ++page) {
      EXPECT_THAT(both.file->GetForUpdate(page, Try()), IsOk());
    }
  }

  TempHome home_;
};
INSTANTIATE_TEST_SUITE_P(Shared, ForkEndTest,
                         ::testing::ValuesIn(os::kForkedBackings),
                         os::BackingText);

class NamedForkEndTest : public ForkEndTest {};
INSTANTIATE_TEST_SUITE_P(Shared, NamedForkEndTest,
                         ::testing::ValuesIn(os::kSharedBackings),
                         os::BackingText);

// The grandchild talks over its parent's line, which outlives the parent.
TEST_P(ForkEndTest, ChildContinuesAfterParentWasKilled) {
  Child parent([&](Channel& line) -> std::string {
    auto both = Open();
    auto held = *both.file->GetForUpdate(1);
    Child child([&](Channel&) -> std::string {
      ::prctl(PR_SET_PDEATHSIG, 0);
      EXPECT_THAT(PutText(*both.file, 0, "child"), IsOk());
      EXPECT_THAT(both.file->Get(1, Try()),
                  Fails(StatusCode::kDeadlineExceeded));
      line.Say("in");
      line.Hear();
      EXPECT_EQ(GetText(*both.file, 0), "child");
      EXPECT_EQ(GetText(*both.file, 1), "old");
      EXPECT_EQ(both.env->Stats().repairs, 1u);
      ExpectAlone(both);
      EXPECT_THAT(PutText(*both.file, 1, "orphan"), IsOk());
      EXPECT_THAT(both.Close(), IsOk());
      line.Say(HasFailure() ? "failed" : "done");
      return "";
    });
    return child.End();
  });
  ASSERT_EQ(parent.Hear(), "in");
  ASSERT_EQ(::kill(parent.pid(), SIGKILL), 0);
  siginfo_t dead = {};
  ASSERT_EQ(::waitid(P_PID, static_cast<id_t>(parent.pid()), &dead,
                     WEXITED | WNOWAIT),
            0);
  parent.Say("go");
  EXPECT_EQ(parent.Hear(), "done");
  EXPECT_EQ(parent.End(), test::kKilled);
  EXPECT_EQ(test::DiskText(home_.Below("pages.db"), 0), "child");
  EXPECT_EQ(test::DiskText(home_.Below("pages.db"), 1), "orphan");
}

TEST_P(ForkEndTest, ParentGetsKilledChildsPages) {
  auto both = Open();
  auto mine = *both.file->GetForUpdate(2);
  Child child([&](Channel& parent) {
    const auto updated = *both.file->GetForUpdate(0);
    const auto read = *both.file->Get(1);
    parent.Say("holds");
    return parent.Hear();
  });
  ASSERT_EQ(child.Hear(), "holds");
  for (const PageNo page : {PageNo{0}, PageNo{1}}) {
    EXPECT_THAT(both.file->GetForUpdate(page, Try()),
                Fails(StatusCode::kDeadlineExceeded));
  }
  ASSERT_EQ(child.Kill(), test::kKilled);
  EXPECT_THAT(PutText(*both.file, 0, "parent"), IsOk());
  EXPECT_THAT(PutText(*both.file, 1, "parent"), IsOk());
  test::Fill(mine.data(), "mine");
  mine.Put();
  ExpectAlone(both);
  EXPECT_EQ(both.env->Stats().repairs, 1u);
  EXPECT_EQ(GetText(*both.file, 0), "parent");
  EXPECT_EQ(GetText(*both.file, 2), "mine");
  EXPECT_THAT(both.Close(), IsOk());
}

// The objects of the child that the C library destroys at exit.
enum class AtExit { kNothing, kHandles, kHandlesAndGuards };

// The objects of a process. The guards are destroyed first.
struct Held {
  test::Opened both;
  WritePage updated;
  ReadPage read;
};

// Ends a child that inherited `held`. The child uses `held` if `use`.
[[noreturn]] void Exit(Held& held, bool use, AtExit what) {
  static Held at_exit;
  static Held inherited;
  if (use) {
    EXPECT_EQ(GetText(*held.both.file, 3), "old");
    EXPECT_THAT(PutText(*held.both.file, 4, "child"), IsOk());
  }
  if (what == AtExit::kHandlesAndGuards) {
    inherited.updated = std::move(held.updated);
    inherited.read = std::move(held.read);
  }
  if (use && what == AtExit::kHandlesAndGuards) {
    at_exit.updated = *held.both.file->GetForUpdate(5);
    at_exit.read = *held.both.file->Get(6);
  }
  if (what != AtExit::kNothing) at_exit.both = std::move(held.both);
  ::exit(::testing::Test::HasFailure() ? 1 : 0);
}

TEST_P(ForkEndTest, ExitingChildDoesNotDisturbParent) {
  Held mine;
  mine.both = Open();
  mine.updated = *mine.both.file->GetForUpdate(2);
  mine.read = *mine.both.file->Get(3);
  for (const bool use : {false, true}) {
    for (const AtExit what :
         {AtExit::kNothing, AtExit::kHandles, AtExit::kHandlesAndGuards}) {
      SCOPED_TRACE(absl::StrCat("used: ", use, ", ", static_cast<int>(what)));
      EXPECT_EQ(test::InChild([&]() -> std::string { Exit(mine, use, what); }),
                "");
      EXPECT_THAT(mine.both.env->FailCheck(), IsOk());
      EXPECT_EQ(mine.both.env->Stats().processes, 1u);
      EXPECT_EQ(TextOn(mine.updated.data()), "old");
      EXPECT_EQ(test::InChild([&] {
                  EXPECT_THAT(mine.both.file->Get(2, Try()),
                              Fails(StatusCode::kDeadlineExceeded));
                  EXPECT_THAT(mine.both.file->GetForUpdate(3, Try()),
                              Fails(StatusCode::kDeadlineExceeded));
                  return mine.both.Close().ToString();
                }),
                "OK");
    }
  }
  test::Fill(mine.updated.data(), "mine");
  mine.updated.Put();
  EXPECT_EQ(TextOn(mine.read.data()), "old");
  mine.read.Put();
  EXPECT_EQ(GetText(*mine.both.file, 2), "mine");
  EXPECT_EQ(GetText(*mine.both.file, 4), "child");
  ExpectAlone(mine.both);
}

// The C library ends the child's only thread, a copy of the parent's.
TEST_P(ForkEndTest, ExitingChildKeepsParentsThread) {
  Held mine;
  mine.both = Open();
  EXPECT_EQ(GetText(*mine.both.file, 0), "old");
  ASSERT_EQ(mine.both.env->Stats().threads, 1u);
  for (const bool use : {false, true}) {
    for (const AtExit what : {AtExit::kNothing, AtExit::kHandles}) {
      EXPECT_EQ(test::InChild([&]() -> std::string { Exit(mine, use, what); }),
                "");
      EXPECT_THAT(mine.both.env->FailCheck(), IsOk());
      EXPECT_EQ(mine.both.env->Stats().threads, 1u);
    }
  }
  EXPECT_THAT(PutText(*mine.both.file, 0, "parent"), IsOk());
  ExpectAlone(mine.both);
}

// Starts a program that reads until `input` is closed.
pid_t SpawnCat(int input) {
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO);
  char name[] = "cat";
  char* arguments[] = {name, nullptr};
  char* environment[] = {nullptr};
  pid_t pid = -1;
  const int error = ::posix_spawn(&pid, "/bin/cat", &actions, nullptr,
                                  arguments, environment);
  ::posix_spawn_file_actions_destroy(&actions);
  return error == 0 ? pid : -1;
}

pid_t VforkCat(int input) {
  const pid_t pid = ::vfork();
  if (pid != 0) return pid;
  ::dup2(input, STDIN_FILENO);
  ::execl("/bin/cat", "cat", static_cast<char*>(nullptr));
  ::_exit(127);
}

TEST_P(NamedForkEndTest, ExecutedProgramHoldsNothing) {
  for (pid_t (*start)(int) : {SpawnCat, VforkCat}) {
    Child third([&](Channel& parent) -> std::string {
      parent.Hear();
      auto both = Open();
      auto report = both.env->FailCheck();
      EXPECT_THAT(report, IsOk());
      EXPECT_TRUE(report->processes.empty());
      EXPECT_EQ(both.env->Stats().processes, 2u);
      EXPECT_EQ(both.env->Stats().repairs, 0u);
      EXPECT_THAT(both.file->Get(0, Try()),
                  Fails(StatusCode::kDeadlineExceeded));
      EXPECT_THAT(both.file->GetForUpdate(1, Try()),
                  Fails(StatusCode::kDeadlineExceeded));
      return both.Close().ToString();
    });
    auto both = Open();
    auto updated = *both.file->GetForUpdate(0);
    auto read = *both.file->Get(1);
    int ends[2];
    ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    const pid_t program = start(ends[0]);
    ASSERT_GT(program, 0);
    third.Say("look");
    EXPECT_EQ(third.End(), "OK");
    test::Fill(updated.data(), "parent");
    updated.Put();
    EXPECT_EQ(TextOn(read.data()), "old");
    read.Put();
    EXPECT_EQ(GetText(*both.file, 0), "parent");
    // The program runs now. If it were attached, Remove would be refused.
    EXPECT_THAT(both.Close(), IsOk());
    EXPECT_THAT(DbEnv::Remove(home_.path()), IsOk());
    ::close(ends[1]);
    int status = -1;
    EXPECT_EQ(::waitpid(program, &status, 0), program);
    EXPECT_EQ(status, 0);
    ::close(ends[0]);
  }
}

#ifdef MPOOL_STEPS
TEST_P(ForkEndTest, ParentRepairsChildKilledInGet) {
  auto both = Open();
  auto mine = *both.file->Get(kPages - 1);
  PageNo page = 0;
  uint64_t deaths = 0;
  for (const char* prefix : {"mpool.get.", "mpool.load.", "mpool.latch.pend"}) {
    for (const std::string& step : test::StepNames(prefix)) {
      SCOPED_TRACE(step);
      page = (page + 1) % (kPages - 1);
      ASSERT_EQ(test::InChild([&] {
                  os::KillAtStep(step, 1);
                  // Gets a page by the slow path and by the fast path, loads
                  // another page, and gets that page for update.
                  GetText(*both.file, kPages - 1);
                  GetText(*both.file, kPages - 1);
                  GetText(*both.file, page);
                  return both.file->GetForUpdate(page).status().ToString();
                }),
                test::kKilled);
      EXPECT_EQ(GetText(*both.file, page), "old");
      EXPECT_THAT(PutText(*both.file, page, "parent"), IsOk());
      EXPECT_THAT(both.env->FailCheck(), IsOk());
      EXPECT_EQ(both.env->Stats().processes, 1u);
      EXPECT_EQ(both.env->Stats().repairs, ++deaths);
    }
  }
  EXPECT_EQ(TextOn(mine.data()), "old");
  mine.Put();
  ExpectAlone(both);
}
#endif

}  // namespace
}  // namespace mpool
