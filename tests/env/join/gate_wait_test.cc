// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// gate_wait_test.cc - one process is slow, or stopped, while it holds the gate
// of a home. Only opens and closes of this home wait for it, no longer than
// EnvOptions::wait, and the error names it. A test that waits for the wrong
// thing never ends.

#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <thread>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mpool/mpool.h"
#include "os/step.h"
#include "tests/support/child.h"
#include "tests/support/pages.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_home.h"

namespace mpool {
namespace {

namespace fs = std::filesystem;

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
using ::testing::HasSubstr;

// Opens `home` and stays inside the gate until it hears a word.
std::string HoldGate(const std::string& home, Channel& parent) {
  os::CallAtStep("region.join.gate", [&] {
    parent.Say("inside");
    parent.Hear();
  });
  auto env = DbEnv::Open(home, SmallEnv());
  os::ClearSteps();
  return env.ok() ? (*env)->Close().ToString() : env.status().ToString();
}

EnvOptions WithWait(absl::Duration wait) {
  EnvOptions options = SmallEnv();
  options.wait = wait;
  return options;
}

// A process holds the gate of home_ from the constructor until Release.
class GateWaitTest : public ::testing::Test {
 protected:
  GateWaitTest()
      : holder_([this](Channel& parent) {
          return HoldGate(home_.path(), parent);
        }) {
    EXPECT_EQ(holder_.Hear(), "inside");
  }
  ~GateWaitTest() override { os::ClearSteps(); }

  // Opens home_ in a thread, and returns once that thread is about to wait.
  std::thread StartOpener() {
    os::CallAtStep("region.join.wait", [this] { waits_ = true; });
    std::thread opener([this] {
      auto both = OpenBoth(home_.path());
      EXPECT_THAT(both, IsOk());
      EXPECT_THAT(PutText(*both->file, 0, "opener"), IsOk());
      EXPECT_THAT(both->Close(), IsOk());
    });
    while (!waits_) std::this_thread::yield();
    return opener;
  }
  void Release() {
    holder_.Say("go on");
    EXPECT_EQ(holder_.End(), "OK");
  }
  std::string HolderName() const {
    return absl::StrCat("process ", holder_.pid(), " (env_test)");
  }

  const TempHome home_;
  const TempHome other_;
  Child holder_;
  std::atomic<bool> waits_ = false;
};

TEST_F(GateWaitTest, OtherHomesOpenAndCloseAtOnce) {
  auto first = DbEnv::Open(other_.path(), SmallEnv());
  ASSERT_THAT(first, IsOk());
  std::thread opener = StartOpener();
  auto second = DbEnv::Open(other_.path(), SmallEnv());
  EXPECT_THAT(second, IsOk());
  EXPECT_THAT((*first)->Close(), IsOk());
  EXPECT_THAT((*second)->Close(), IsOk());
  auto again = DbEnv::Open(other_.path(), SmallEnv());
  EXPECT_THAT(again, IsOk());
  again->reset();
  Release();
  opener.join();
}

TEST_F(GateWaitTest, ForkDoesNotWaitAndChildOpensAgain) {
  std::thread opener = StartOpener();
  Child child([&](Channel& parent) -> std::string {
    os::ClearSteps();
    auto elsewhere = *OpenBoth(other_.path());
    EXPECT_THAT(PutText(*elsewhere.file, 0, "x"), IsOk());
    EXPECT_THAT(elsewhere.Close(), IsOk());
    EXPECT_THAT(DbEnv::Open(home_.path(), WithWait(absl::ZeroDuration())),
                Fails(StatusCode::kDeadlineExceeded));
    parent.Say("opened");
    parent.Hear();
    auto both = *OpenBoth(home_.path());
    EXPECT_EQ(both.env->Stats().processes, 1u);
    EXPECT_EQ(GetText(*both.file, 0), "opener");
    EXPECT_THAT(PutText(*both.file, 0, "child"), IsOk());
    return both.Close().ToString();
  });
  EXPECT_EQ(child.Hear(), "opened");
  Release();
  opener.join();
  child.Say("go on");
  EXPECT_EQ(child.End(), "OK");
  auto both = *OpenBoth(home_.path());
  EXPECT_EQ(GetText(*both.file, 0), "child");
}

TEST_F(GateWaitTest, OpensOfOneHomeShareOneAttachment) {
  std::unique_ptr<DbEnv> envs[4];
  std::vector<std::thread> openers;
  for (std::unique_ptr<DbEnv>& env : envs) {
    openers.emplace_back([&] {
      env = *DbEnv::Open(home_.path(), SmallEnv());
    });
  }
  Release();
  for (std::thread& opener : openers) opener.join();
  EXPECT_EQ(envs[0]->Stats().processes, 1u);
  for (std::unique_ptr<DbEnv>& env : envs) {
    EXPECT_THAT(env->FailCheck(), IsOk());
    EXPECT_THAT(env->Close(), IsOk());
  }
}

TEST_F(GateWaitTest, ExpiredWaitNamesTheHolder) {
  EXPECT_THAT(DbEnv::Open(home_.path(), WithWait(absl::ZeroDuration())),
              Fails(StatusCode::kDeadlineExceeded, HolderName()));
  EXPECT_THAT(DbEnv::Open(home_.path(), WithWait(absl::Milliseconds(30))),
              Fails(StatusCode::kDeadlineExceeded, home_.path()));
  Release();
  EXPECT_THAT(DbEnv::Open(home_.path(), WithWait(absl::ZeroDuration())),
              IsOk());
}

TEST_F(GateWaitTest, WaitAlsoBoundsTheWaitForAThread) {
  std::thread opener = StartOpener();
  EXPECT_THAT(DbEnv::Open(home_.path(), WithWait(absl::Milliseconds(30))),
              Fails(StatusCode::kDeadlineExceeded, HolderName()));
  Release();
  opener.join();
}

TEST_F(GateWaitTest, HoldersShowTheHolderOfTheGate) {
  const auto holders = DbEnv::Holders(home_.path());
  ASSERT_THAT(holders, IsOk());
  ASSERT_EQ(holders->size(), 1u);
  EXPECT_EQ(holders->front().pid, holder_.pid());
  EXPECT_EQ(holders->front().process_slot, 0u);
  EXPECT_THAT(holders->front().command, HasSubstr("env_test"));
  EXPECT_THAT(holders->front().what, HasSubstr("the gate"));
  Release();
}

// A process could not leave because its home had another name, and could leave
// now, except that another process holds the gate.
TEST(LateLeaverTest, LateLeaverDoesNotDelayOtherHomes) {
  const TempHome home;
  const TempHome other;
  const std::string moved = home.path() + ".moved";
  auto left = OpenBoth(home.path());
  ASSERT_THAT(left, IsOk());
  EXPECT_THAT(left->file->Close(), IsOk());
  left->file.reset();
  fs::rename(home.path(), moved);
  left->env.reset();
  fs::rename(moved, home.path());
  Child holder([&](Channel& parent) { return HoldGate(home.path(), parent); });
  ASSERT_EQ(holder.Hear(), "inside");
  EXPECT_THAT(DbEnv::Open(other.path(), SmallEnv()), IsOk());
  holder.Say("go on");
  EXPECT_EQ(holder.End(), "OK");
  EXPECT_THAT(DbEnv::Open(other.path(), SmallEnv()), IsOk());
  EXPECT_THAT(DbEnv::Remove(home.path()), IsOk());
}

// A fork meets a thread that closes the last handle.
TEST(ForkInsideCloseTest, ChildForgetsTheHandleAndOpensAgain) {
  const TempHome home;
  std::atomic<bool> inside = false;
  std::atomic<bool> may_go_on = false;
  auto both = *OpenBoth(home.path());
  EXPECT_THAT(PutText(*both.file, 0, "parent"), IsOk());
  EXPECT_THAT(both.file->Close(), IsOk());
  both.file.reset();
  os::CallAtStep("region.leave.threads", [&] {
    inside = true;
    while (!may_go_on) std::this_thread::yield();
  });
  std::thread closer([&] { EXPECT_THAT(both.env->Close(), IsOk()); });
  while (!inside) std::this_thread::yield();
  Child child([&](Channel& parent) -> std::string {
    os::ClearSteps();
    both.env.reset();
    parent.Say("forgotten");
    parent.Hear();
    auto again = *OpenBoth(home.path());
    EXPECT_EQ(again.env->Stats().processes, 1u);
    EXPECT_EQ(GetText(*again.file, 0), "parent");
    return again.Close().ToString();
  });
  EXPECT_EQ(child.Hear(), "forgotten");
  may_go_on = true;
  closer.join();
  os::ClearSteps();
  child.Say("go on");
  EXPECT_EQ(child.End(), "OK");
  EXPECT_THAT(DbEnv::Remove(home.path()), IsOk());
}

// A forked child registers at its first Open, which waits for the gate.
TEST(InheritedWaitTest, OpenInChildIsBounded) {
  const TempHome home;
  auto both = *OpenBoth(home.path());
  Child holder([&](Channel& parent) {
    both.file.reset();
    both.env.reset();
    return HoldGate(home.path(), parent);
  });
  ASSERT_EQ(holder.Hear(), "inside");
  EXPECT_EQ(test::InChild([&]() -> std::string {
              EXPECT_THAT(
                  DbEnv::Open(home.path(), WithWait(absl::ZeroDuration())),
                  Fails(StatusCode::kDeadlineExceeded,
                        absl::StrCat("process ", holder.pid())));
              return "bounded";
            }),
            "bounded");
  holder.Say("go on");
  EXPECT_EQ(holder.End(), "OK");
  EXPECT_THAT(both.Close(), IsOk());
}

// Threads open and close two homes at random while their process forks and the
// children open them too. Each child and the parent end without a wait.
TEST(ManyOpensTest, OpensClosesAndForksAtRandom) {
  const TempHome homes[2];
  std::atomic<bool> stop = false;
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&, thread] {
      for (int i = thread; !stop; ++i) {
        auto both = OpenBoth(homes[i % 2].path(), SmallEnv(),
                             absl::StrCat("pages", thread, ".db"));
        EXPECT_THAT(both, IsOk());
        if (!both.ok()) return;
        EXPECT_THAT(PutText(*both->file, 0, "x"), IsOk());
        if (i % 3 == 0) {
          EXPECT_THAT(both->Close(), IsOk());
        }
      }
    });
  }
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(test::InChild([&]() -> std::string {
                ::alarm(60);
                for (const TempHome& home : homes) {
                  auto both = OpenBoth(home.path());
                  EXPECT_THAT(both, IsOk());
                  if (!both.ok()) return both.status().ToString();
                  EXPECT_THAT(PutText(*both->file, 0, "child"), IsOk());
                  EXPECT_THAT(both->Close(), IsOk());
                }
                return "whole";
              }),
              "whole");
  }
  stop = true;
  for (std::thread& thread : threads) thread.join();
  for (const TempHome& home : homes) {
    EXPECT_THAT(DbEnv::Remove(home.path()), IsOk());
  }
}

}  // namespace
}  // namespace mpool
