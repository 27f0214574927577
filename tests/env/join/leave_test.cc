// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// leave_test.cc - a process that cannot leave its environment: its home was
// removed, or the process can no longer open the lock file. Close returns the
// error and closes nothing, a destructor reports to on_event, and nothing
// dangles: threads end, and the process forks and exits as usual.

#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <latch>
#include <thread>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mpool/mpool.h"
#include "os/step.h"
#include "tests/support/all_backings.h"
#include "tests/support/child.h"
#include "tests/support/hostile.h"
#include "tests/support/logged.h"
#include "tests/support/mounts.h"
#include "tests/support/pages.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_home.h"

#ifdef __SANITIZE_ADDRESS__
// The processes here exit without a descriptor or without /proc, which a leak
// search needs. The exit of the test program still searches for leaks.
static const pid_t test_program = ::getpid();
extern "C" __attribute__((visibility("default"))) int __lsan_is_turned_off() {
  return ::getpid() != test_program;
}
#endif

namespace mpool {
namespace {

namespace fs = std::filesystem;

using test::GetText;
using test::IsOk;
using test::OpenBoth;
using test::PutText;
using test::SmallEnv;
using test::TempHome;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

constexpr unsigned kMostSeconds = 60;

void LimitFds(rlim_t most) {
  const rlimit limit = {most, most};
  EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &limit), 0);
}

// A loss that a program inflicts on itself.
enum class Loss {
  kHome,       // removes its home
  kFds,        // has no fd left, nor may it open one
  kUser,       // becomes another user
  kHomeRight,  // removes its own right to the home
  kRoot,       // has another root directory, without /proc
};
constexpr const char* kLossNames[] = {"Home", "Fds", "User", "HomeRight",
                                      "Root"};

void Lose(Loss loss, const std::string& home) {
  switch (loss) {
    case Loss::kHome:
      fs::remove_all(home);
      break;
    case Loss::kFds:
      LimitFds(0);
      break;
    case Loss::kUser:
      EXPECT_THAT(test::DropRights(), IsOk());
      break;
    case Loss::kHomeRight:
      EXPECT_EQ(::chmod(home.c_str(), 0), 0);
      break;
    case Loss::kRoot:
      EXPECT_EQ(::chroot(home.c_str()), 0);
      EXPECT_EQ(::chdir("/"), 0);
      break;
  }
}

class LeaveTest : public ::testing::TestWithParam<std::tuple<Backing, Loss>> {
 protected:
  LeaveTest() {
    // Root has every right, so another user owns the home.
    if (loss() == Loss::kHomeRight) {
      EXPECT_EQ(Own(kAlice), 0);
    }
  }
  ~LeaveTest() override {
    ::chmod(home_.path().c_str(), 0700);
    if (!fs::exists(home_.path())) fs::create_directory(home_.path());
    EXPECT_THAT(DbEnv::Remove(home_.path()), IsOk());
  }
  static Backing backing() { return std::get<0>(GetParam()); }
  static Loss loss() { return std::get<1>(GetParam()); }
  int Own(uid_t user) const {
    return ::geteuid() == 0 ? ::chown(home_.path().c_str(), user, user) : 0;
  }

  // True if the process can no longer acquire the gate of the environment.
  static bool CannotLeave() {
    const bool named =
        os::ReachOf(backing()) == os::Reach::kAnyProcess;
    if (backing() == Backing::kHeap) return false;
    return loss() == Loss::kFds || named == (loss() != Loss::kRoot);
  }
  // Runs before the environment is opened.
  static absl::Status Prepare() {
    if (loss() == Loss::kRoot && ::geteuid() != 0) {
      return test::EnterOwnMounts();
    }
    if (loss() == Loss::kHomeRight && ::geteuid() == 0) {
      return ::setgid(kAlice) == 0 && ::setuid(kAlice) == 0
                 ? absl::OkStatus()
                 : absl::InternalError("cannot become another user");
    }
    return absl::OkStatus();
  }

  TempHome home_;
};
INSTANTIATE_TEST_SUITE_P(
    All, LeaveTest,
    ::testing::Combine(::testing::ValuesIn(os::kAllBackings),
                       ::testing::Values(Loss::kHome, Loss::kFds, Loss::kUser,
                                         Loss::kHomeRight, Loss::kRoot)),
    [](const auto& test) {
      return os::BackingText({std::get<0>(test.param), 0}) +
             kLossNames[static_cast<int>(std::get<1>(test.param))];
    });

// Reuses freed memory.
void UseFreedMemory() {
  static std::vector<void*> others;
  for (size_t i = 0; i < 2000; ++i) {
    others.push_back(std::memset(::malloc(64 + i % 4000), 0xee, 64));
  }
}

TEST_P(LeaveTest, AFailureIsReportedAndNothingDangles) {
  if (loss() == Loss::kUser && ::geteuid() != 0) {
    // Only root can become another user.
    EXPECT_NE(::setuid(kAlice), 0);
    return;
  }
  EXPECT_EQ(
      test::InChild([&]() -> std::string {
        ::alarm(kMostSeconds);
        EXPECT_THAT(Prepare(), IsOk());
        std::vector<Event> events;
        EnvOptions options = SmallEnv(backing());
        options.on_event = [&](const Event& event) {
          if (event.kind == Event::Kind::kLeaveFailed) events.push_back(event);
        };
        auto both = *OpenBoth(home_.path(), options);
        EXPECT_THAT(PutText(*both.file, 0, "put"), IsOk());
        std::latch called(1);
        std::latch end(1);
        std::thread worker([&] {
          EXPECT_EQ(GetText(*both.file, 0), "put");
          called.count_down();
          end.wait();
        });
        called.wait();
        Lose(loss(), home_.path());
        both.file.reset();
        if (CannotLeave()) {
          for (int i = 0; i < 2; ++i) {
            EXPECT_THAT(both.env->Close().message(), HasSubstr(home_.path()));
            EXPECT_EQ(both.env->Stats().processes, 1u);
          }
          EXPECT_THAT(events, IsEmpty());
        }
        both.env.reset();
        EXPECT_THAT(events, SizeIs(CannotLeave() ? 1 : 0));
        for (const Event& event : events) {
          EXPECT_THAT(event.message, HasSubstr(home_.path()));
        }
        UseFreedMemory();
        end.count_down();
        worker.join();
        const pid_t child = ::fork();
        if (child == 0) ::exit(0);
        int status = -1;
        EXPECT_EQ(::waitpid(child, &status, 0), child);
        EXPECT_EQ(status, 0);
        ::exit(::testing::Test::HasFailure() ? 1 : 0);
      }),
      "");
  if (loss() == Loss::kHome) return;
  EXPECT_EQ(::chmod(home_.path().c_str(), 0700), 0);
  EXPECT_EQ(test::DiskText(home_.Below("pages.db"), 0), "put");
  // The slot that stayed attached is repaired.
  auto both = OpenBoth(home_.path(), SmallEnv(backing()));
  ASSERT_THAT(both, IsOk());
  EXPECT_EQ(GetText(*both->file, 0), "put");
  EXPECT_EQ(both->env->Stats().processes, 1u);
  EXPECT_THAT(both->Close(), IsOk());
}

class LeaveWithinTest : public ::testing::TestWithParam<Backing> {
 protected:
  ~LeaveWithinTest() override {
    EXPECT_THAT(DbEnv::Remove(home_.path()), IsOk());
  }
  TempHome home_;
};
INSTANTIATE_TEST_SUITE_P(All, LeaveWithinTest,
                         ::testing::ValuesIn(os::kAllBackings),
                         os::BackingText);

// The lock file's own fd is enough.
TEST_P(LeaveWithinTest, AProcessWithoutAFreeFdLeaves) {
  EXPECT_EQ(test::InChild([&]() -> std::string {
              auto both = *OpenBoth(home_.path(), SmallEnv(GetParam()));
              EXPECT_THAT(PutText(*both.file, 0, "put"), IsOk());
              EXPECT_THAT(both.file->Sync(), IsOk());
              LimitFds(100);
              while (::open("/dev/null", O_RDONLY) >= 0) {
              }
              EXPECT_EQ(errno, EMFILE);
              EXPECT_THAT(both.env->FailCheck(), IsOk());
              return both.Close().ToString();
            }),
            "OK");
}

// The backings with locks in their environments. The locks need descriptors.
class LeaveLaterTest : public LeaveWithinTest {};
INSTANTIATE_TEST_SUITE_P(All, LeaveLaterTest,
                         ::testing::Values(Backing::kPosixShm, Backing::kFile,
                                           Backing::kSysV, Backing::kAnonymous,
                                           Backing::kDevZero,
                                           Backing::kSysVPrivate),
                         os::BackingText);

// The next Open of the process leaves the environment that could not be left
// before. Even memory without a name can then be opened again.
TEST_P(LeaveLaterTest, NextOpenLeavesFormerAttachment) {
  EXPECT_EQ(test::InChild([&]() -> std::string {
              rlimit limit = {};
              EXPECT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
              auto both = *OpenBoth(home_.path(), SmallEnv(GetParam()));
              EXPECT_THAT(PutText(*both.file, 0, "put"), IsOk());
              const rlimit none = {0, limit.rlim_max};
              EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
              both.file.reset();
              both.env.reset();
              EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &limit), 0);
              auto again = OpenBoth(home_.path(), SmallEnv(GetParam()));
              if (!again.ok()) return again.status().ToString();
              EXPECT_EQ(GetText(*again->file, 0), "put");
              EXPECT_EQ(again->env->Stats().processes, 1u);
              return again->Close().ToString();
            }),
            "OK");
}

#ifdef MPOOL_STEPS
// An Open that fails after the process has attached.
TEST(LeaveHalfWayTest, OpenUnableToLeaveLeavesNothing) {
  TempHome home;
  {
    test::Log log;
    auto both = test::OpenLogged(home.path(), test::WithLog(log));
    EXPECT_THAT(both.Close(), IsOk());
  }
  test::DieChanging(home.path(), /*atomic_update=*/false, /*dirty=*/true);
  EXPECT_EQ(test::InChild([&]() -> std::string {
              ::alarm(kMostSeconds);
              std::thread([&] {
                os::CallAtStep("region.adopt.done", [] { LimitFds(0); });
                const auto opened = DbEnv::Open(home.path(), SmallEnv());
                EXPECT_THAT(opened, test::Fails(absl::StatusCode::kDataLoss,
                                                "panic"));
                UseFreedMemory();
              }).join();
              const pid_t child = ::fork();
              if (child == 0) ::exit(0);
              int status = -1;
              EXPECT_EQ(::waitpid(child, &status, 0), child);
              EXPECT_EQ(status, 0);
              ::exit(::testing::Test::HasFailure() ? 1 : 0);
            }),
            "");
  // Its slot is repaired.
  EnvOptions options = SmallEnv();
  options.recover = true;
  auto env = DbEnv::Open(home.path(), options);
  ASSERT_THAT(env, IsOk());
  EXPECT_EQ((*env)->Stats().processes, 1u);
  env->reset();
  EXPECT_THAT(DbEnv::Remove(home.path(), true), IsOk());
}
#endif

}  // namespace
}  // namespace mpool
