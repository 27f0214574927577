// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// namespace_test.cc - processes of different Linux namespaces in one home, as
// in containers that share a directory. They share the region, or one of them
// is refused. There are never two regions for one home.

#include <linux/futex.h>
#include <signal.h>
#include <unistd.h>

#include <map>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mpool/mpool.h"
#include "tests/support/child.h"
#include "tests/support/mounts.h"
#include "tests/support/pages.h"
#include "tests/support/status_matchers.h"
#include "tests/support/system.h"
#include "tests/support/temp_home.h"

namespace mpool {
namespace {

using absl::StatusCode;
using test::AllOf;
using test::Channel;
using test::Child;
using test::DiskText;
using test::Fails;
using test::GetText;
using test::IsOk;
using test::OpenBoth;
using test::PutText;
using test::SmallEnv;
using test::TempHome;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

GetOptions Try() {
  GetOptions options;
  options.wait = absl::ZeroDuration();
  return options;
}

class NamespaceTest : public ::testing::TestWithParam<Backing> {
 protected:
  absl::StatusOr<test::Opened> Open() const {
    return OpenBoth(home_.path(), SmallEnv(GetParam()));
  }

  // Returns the body of a process that puts `text` on page 0 and waits for a
  // word. The process leaves if pages 0 and 1 then read as expected.
  Child::Body Holder(const std::string& text, const std::string& page_0,
                     const std::string& page_1) const {
    return [=, this](Channel& parent) -> std::string {
      auto both = *Open();
      EXPECT_THAT(PutText(*both.file, 0, text), IsOk());
      EXPECT_THAT(PutText(*both.file, 1, ""), IsOk());
      parent.Say("in");
      parent.Hear();
      EXPECT_EQ(GetText(*both.file, 0), page_0);
      EXPECT_EQ(GetText(*both.file, 1), page_1);
      return both.Close().ToString();
    };
  }

  // Runs a process that calls `enter`, joins the attached processes, reads
  // their pages and changes them.
  std::string JoinAfter(absl::Status (*enter)()) const {
    return test::InChild([&]() -> std::string {
      EXPECT_THAT(enter(), IsOk());
      auto both = Open();
      if (!both.ok()) return both.status().ToString();
      EXPECT_EQ(both->env->Stats().processes, 2u);
      EXPECT_EQ(GetText(*both->file, 0), "held");
      EXPECT_THAT(PutText(*both->file, 1, "joined"), IsOk());
      return both->Close().ToString();
    });
  }

  // Returns the bytes of every file of the home, so that a test sees any
  // change.
  std::map<std::string, std::string> Snapshot() const {
    std::map<std::string, std::string> files;
    for (const std::string& name : test::FilesIn(home_.path())) {
      files[name] = test::BytesOf(home_.Below(name));
    }
    return files;
  }

  TempHome home_;
};
INSTANTIATE_TEST_SUITE_P(Shared, NamespaceTest,
                         ::testing::Values(Backing::kPosixShm, Backing::kFile));

TEST_P(NamespaceTest, ProcessesOfOtherIpcShareTheRegion) {
  Child holder(Holder("held", "held", "joined"));
  ASSERT_EQ(holder.Hear(), "in");
  EXPECT_EQ(JoinAfter(test::EnterOwnIpc), "OK");
  holder.Say("go");
  EXPECT_EQ(holder.End(), "OK");
}

TEST_P(NamespaceTest, ProcessesOfOtherMountsShareTheRegion) {
  Child holder(Holder("held", "held", "joined"));
  ASSERT_EQ(holder.Hear(), "in");
  EXPECT_EQ(JoinAfter(test::EnterOwnMounts), "OK");
  holder.Say("go");
  EXPECT_EQ(holder.End(), "OK");
}

// The region's file is in the home, so all processes share it.
using OwnShmFileTest = NamespaceTest;
INSTANTIATE_TEST_SUITE_P(File, OwnShmFileTest,
                         ::testing::Values(Backing::kFile));

TEST_P(OwnShmFileTest, ProcessesOfOtherDevShmShareRegion) {
  Child holder(Holder("held", "held", "joined"));
  ASSERT_EQ(holder.Hear(), "in");
  EXPECT_EQ(JoinAfter(test::EnterOwnShm), "OK");
  holder.Say("go");
  EXPECT_EQ(holder.End(), "OK");
}

class OwnShmTest : public NamespaceTest {
 protected:
  auto Refused() const {
    return Fails(StatusCode::kFailedPrecondition, home_.path(),
                 "its memory is gone", "/dev/shm", "Backing::kFile");
  }
};
INSTANTIATE_TEST_SUITE_P(Shm, OwnShmTest,
                         ::testing::Values(Backing::kPosixShm));

TEST_P(OwnShmTest, ProcessWithoutMemoryIsRefused) {
  Child holder(Holder("held", "held", ""));
  ASSERT_EQ(holder.Hear(), "in");
  const auto before = Snapshot();
  const auto segments = test::SegmentsOf(home_.path());
  EXPECT_EQ(test::InChild([&]() -> std::string {
              EXPECT_THAT(test::EnterOwnShm(), IsOk());
              EXPECT_THAT(DbEnv::Open(home_.path(), SmallEnv()), Refused());
              EXPECT_THAT(DbEnv::Remove(home_.path(), true),
                          Fails(StatusCode::kFailedPrecondition, "in use"));
              EXPECT_THAT(test::FilesIn("/dev/shm"), IsEmpty());
              return "done";
            }),
            "done");
  EXPECT_EQ(Snapshot(), before);
  EXPECT_EQ(test::SegmentsOf(home_.path()), segments);
  holder.Say("go");
  EXPECT_EQ(holder.End(), "OK");
}

TEST_P(OwnShmTest, CreatorInOwnShmExcludesOthers) {
  Child inner([&](Channel& parent) -> std::string {
    EXPECT_THAT(test::EnterOwnShm(), IsOk());
    return Holder("inner", "inner", "")(parent);
  });
  ASSERT_EQ(inner.Hear(), "in");
  const auto before = Snapshot();
  EXPECT_THAT(DbEnv::Open(home_.path(), SmallEnv()), Refused());
  EXPECT_EQ(Snapshot(), before);
  EXPECT_THAT(test::SegmentsOf(home_.path()), IsEmpty());
  inner.Say("go");
  ASSERT_EQ(inner.End(), "OK");
  auto both = Open();
  ASSERT_THAT(both, IsOk());
  EXPECT_EQ(GetText(*both->file, 0), "inner");
  EXPECT_THAT(both->Close(), IsOk());
  EXPECT_THAT(DbEnv::Remove(home_.path()), IsOk());
  EXPECT_THAT(AllOf(home_.path()), ElementsAre("pages.db"));
}

// Each process reads the other's pages from disk. The region that it does not
// see is idle and has no page newer than the file.
TEST_P(OwnShmTest, AlternatingUsersReadEachOthersPages) {
  for (const char* round : {"first", "second"}) {
    const std::string outer = std::string("outer ") + round;
    const std::string inner = std::string("inner ") + round;
    EXPECT_EQ(test::InChild([&] {
                auto both = *Open();
                EXPECT_THAT(PutText(*both.file, 0, outer), IsOk());
                return both.Close().ToString();
              }),
              "OK");
    EXPECT_EQ(test::InChild([&] {
                EXPECT_THAT(test::EnterOwnShm(), IsOk());
                auto both = *Open();
                EXPECT_EQ(GetText(*both.file, 0), outer);
                EXPECT_THAT(PutText(*both.file, 0, inner), IsOk());
                return both.Close().ToString();
              }),
              "OK");
    EXPECT_EQ(GetText(*Open()->file, 0), inner);
  }
}

// An opener recreates an idle region that it cannot see. The replaced region
// must not stay in the other /dev/shm forever.
TEST_P(OwnShmTest, RegionReplacedUnseenIsRemoved) {
  ASSERT_THAT(Open()->Close(), IsOk());
  ASSERT_EQ(test::InChild([&] {
              EXPECT_THAT(test::EnterOwnShm(), IsOk());
              return Open()->Close().ToString();
            }),
            "OK");
  ASSERT_THAT(Open()->Close(), IsOk());
  EXPECT_EQ(test::SegmentsOf(home_.path()).size(), 1u);
  EXPECT_THAT(DbEnv::Remove(home_.path()), IsOk());
  EXPECT_THAT(AllOf(home_.path()), ElementsAre("pages.db"));
}

// This is like a reboot: pages that were not durable are lost with the memory.
// The process that recreates the region reports the loss.
TEST_P(OwnShmTest, LossOfUnseenPagesIsReported) {
  Child dead([&](Channel& parent) {
    auto both = *Open();
    EXPECT_THAT(PutText(*both.file, 0, "durable"), IsOk());
    EXPECT_THAT(both.file->Sync(), IsOk());
    EXPECT_THAT(PutText(*both.file, 0, "put"), IsOk());
    parent.Say("put");
    return parent.Hear();
  });
  ASSERT_EQ(dead.Hear(), "put");
  dead.Kill();
  ASSERT_EQ(test::InChild([&]() -> std::string {
              EXPECT_THAT(test::EnterOwnShm(), IsOk());
              std::vector<Event> events;
              EnvOptions options = SmallEnv();
              options.on_event = [&](const Event& event) {
                events.push_back(event);
              };
              auto both = *OpenBoth(home_.path(), options);
              EXPECT_EQ(both.env->Stats().origin, Origin::kLost);
              EXPECT_EQ(events.size(), 1u);
              EXPECT_EQ(events[0].kind, Event::Kind::kMadeAnew);
              EXPECT_THAT(events[0].message,
                          ::testing::HasSubstr("memory was gone"));
              EXPECT_EQ(GetText(*both.file, 0), "durable");
              return both.Close().ToString();
            }),
            "OK");
}

// A process with number 1 in its own pid namespace. Two processes may have the
// same number, and each number is meaningless to the other process.
class OwnPidsTest : public NamespaceTest {
 protected:
  ~OwnPidsTest() override { os::Sys() = os::RealSyscalls(); }

  // Returns a body that runs `body` in a child with pid 1. It first reports the
  // child's pid in the test's namespace.
  static Child::Body AsPid1(const Child::Body& body) {
    return [=](Channel& parent) -> std::string {
      EXPECT_THAT(test::EnterOwnPids(), IsOk());
      Child inner([&](Channel& outer) {
        outer.Hear();
        EXPECT_EQ(::getpid(), 1);
        return body(parent);
      });
      parent.Say(absl::StrCat(inner.pid()));
      inner.Say("go");
      return inner.End();
    };
  }
  static pid_t PidOf(Child& child) {
    pid_t pid = 0;
    const std::string heard = child.Hear();
    EXPECT_TRUE(absl::SimpleAtoi(heard, &pid)) << heard;
    return pid;
  }
  // Kills the process and waits for its parent. The parent ends only after the
  // locks of the killed process are released.
  static void Kill(Child& child, pid_t pid) {
    ASSERT_GT(pid, 1);
    ASSERT_EQ(::kill(pid, SIGKILL), 0);
    ASSERT_EQ(child.End(), test::kKilled);
  }
  // Returns the body of a process that holds a page for update, reports it, and
  // after a word calls `then`.
  Child::Body HolderOf(PageNo page,
                       std::function<void(MPoolFile&)> then) const {
    return AsPid1([=, this](Channel& parent) {
      auto both = *Open();
      auto held = *both.file->GetForUpdate(page);
      parent.Say("held");
      parent.Hear();
      then(*both.file);
      test::Fill(held.data(), "holder");
      held.Put();
      return both.Close().ToString();
    });
  }
  // Returns the body of a process that gets page 0 for update, and reports when
  // it is about to sleep.
  Child::Body WaiterForPage0() const {
    return AsPid1([this](Channel& parent) {
      static Channel* const listener = &parent;
      auto both = *Open();
      os::Sys().futex = [](uint32_t* word, int op, uint32_t value,
                           const timespec* timeout) {
        if (op == FUTEX_WAIT) listener->Say("sleeps");
        return os::RealSyscalls().futex(word, op, value, timeout);
      };
      auto got = both.file->GetForUpdate(0);
      EXPECT_THAT(got, IsOk());
      if (got.ok()) test::Fill(got->data(), "waiter");
      got = absl::CancelledError();
      return both.Close().ToString();
    });
  }
  void MakePages() {
    ASSERT_EQ(test::InChild([&] {
                auto both = *Open();
                EXPECT_THAT(PutText(*both.file, 0, "zero"), IsOk());
                EXPECT_THAT(PutText(*both.file, 1, "one"), IsOk());
                EXPECT_THAT(both.file->Sync(), IsOk());
                return both.Close().ToString();
              }),
              "OK");
  }
};
INSTANTIATE_TEST_SUITE_P(Shared, OwnPidsTest,
                         ::testing::Values(Backing::kPosixShm, Backing::kFile));

TEST_P(OwnPidsTest, SamePidLivingProcessIsNotRepaired) {
  MakePages();
  Child dead(HolderOf(0, [](MPoolFile&) {}));
  const pid_t pid = PidOf(dead);
  Child living(HolderOf(1, [](MPoolFile& file) {
    EXPECT_THAT(PutText(file, 0, "taken over"), IsOk());
  }));
  PidOf(living);
  ASSERT_EQ(dead.Hear(), "held");
  ASSERT_EQ(living.Hear(), "held");
  auto third = *Open();
  EXPECT_EQ(third.env->Stats().processes, 3u);
  for (const PageNo page : {PageNo{0}, PageNo{1}}) {
    EXPECT_THAT(third.file->GetForUpdate(page, Try()),
                Fails(StatusCode::kDeadlineExceeded, "process 1 ("));
  }
  ASSERT_NO_FATAL_FAILURE(Kill(dead, pid));
  const auto report = third.env->FailCheck();
  ASSERT_THAT(report, IsOk());
  EXPECT_EQ(report->processes.size(), 1u);
  EXPECT_EQ(third.env->Stats().processes, 2u);
  EXPECT_EQ(GetText(*third.file, 0), "zero");
  EXPECT_THAT(third.file->Get(1, Try()),
              Fails(StatusCode::kDeadlineExceeded, "process 1 ("));
  living.Say("go");
  EXPECT_EQ(living.End(), "OK");
  EXPECT_EQ(GetText(*third.file, 0), "taken over");
  EXPECT_EQ(GetText(*third.file, 1), "holder");
  EXPECT_EQ(third.env->Stats().processes, 1u);
  EXPECT_THAT(third.Close(), IsOk());
}

// No process calls FailCheck. The thread that wants the page detects the death.
TEST_P(OwnPidsTest, SamePidProcessGetsDeadOnesPage) {
  MakePages();
  Child dead(HolderOf(0, [](MPoolFile&) {}));
  const pid_t pid = PidOf(dead);
  Child living(HolderOf(1, [](MPoolFile& file) {
    EXPECT_THAT(PutText(file, 0, "taken over"), IsOk());
  }));
  PidOf(living);
  ASSERT_EQ(dead.Hear(), "held");
  ASSERT_EQ(living.Hear(), "held");
  ASSERT_NO_FATAL_FAILURE(Kill(dead, pid));
  living.Say("go");
  EXPECT_EQ(living.End(), "OK");
  EXPECT_EQ(DiskText(home_.Below("pages.db"), 0), "taken over");
  EXPECT_EQ(DiskText(home_.Below("pages.db"), 1), "holder");
}

TEST_P(OwnPidsTest, KilledSleeperLosesNoWakeUp) {
  MakePages();
  Child holder(HolderOf(0, [](MPoolFile&) {}));
  PidOf(holder);
  ASSERT_EQ(holder.Hear(), "held");
  Child dead(WaiterForPage0());
  const pid_t pid = PidOf(dead);
  ASSERT_EQ(dead.Hear(), "sleeps");
  Child waiter(WaiterForPage0());
  PidOf(waiter);
  ASSERT_EQ(waiter.Hear(), "sleeps");
  ASSERT_NO_FATAL_FAILURE(Kill(dead, pid));
  holder.Say("go");
  EXPECT_EQ(holder.End(), "OK");
  while (true) {
    const std::string heard = waiter.Hear();
    if (heard == "sleeps") continue;
    EXPECT_EQ(heard, "OK");
    break;
  }
  auto third = *Open();
  EXPECT_THAT(third.env->FailCheck(), IsOk());
  EXPECT_EQ(third.env->Stats().processes, 1u);
  EXPECT_EQ(third.env->Stats().repairs, 1u);
  EXPECT_EQ(GetText(*third.file, 0), "waiter");
  EXPECT_THAT(PutText(*third.file, 0, "third"), IsOk());
}

}  // namespace
}  // namespace mpool
