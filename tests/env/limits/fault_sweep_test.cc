// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// fault_sweep_test.cc - the first system call of each moment fails, then the
// second, and so on to the last: for lack of memory, space or descriptors, or
// because of a signal. Each time the call returns a clear, temporary error and
// leaves nothing behind, or returns no error.

#include <errno.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "os/syscalls.h"
#include "tests/support/all_backings.h"
#include "tests/support/campaign.h"
#include "tests/support/child.h"
#include "tests/support/footprint.h"
#include "tests/support/moments.h"
#include "tests/support/mounts.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_home.h"

namespace mpool {
namespace {

using os::Syscalls;
using test::IsOk;
using test::Moment;
using test::World;
using ::testing::HasSubstr;

// A call that takes longer hangs.
constexpr unsigned kPatienceSeconds = 60;

// Counts calls and fails one of them.
struct Fault {
  int error = 0;
  uint64_t calls_left = 0;  // until it fires; 0: never
  bool fired = false;

  bool Fires() {
    if (calls_left == 0 || --calls_left != 0) return false;
    fired = true;
    return true;
  }
};
Fault fault;

template <class Result>
Result Failure() {
  if constexpr (std::is_same_v<Result, char*>) {
    return nullptr;
  } else if constexpr (std::is_pointer_v<Result>) {
    return reinterpret_cast<Result>(-1);
  } else {
    return -1;
  }
}

template <auto kEntry>
struct Shim;
template <class Result, class... Args, Result (*Syscalls::*kEntry)(Args...)>
struct Shim<kEntry> {
  static Result Call(Args... args) {
    if (fault.Fires()) {
      errno = fault.error;
      return Failure<Result>();
    }
    return (os::RealSyscalls().*kEntry)(args...);
  }
};

template <auto... kEntries>
void Install() {
  ((os::Sys().*kEntries = Shim<kEntries>::Call), ...);
}

// Installs the fault in each call for which the manual lists the error.
void InstallFor(int error) {
  switch (error) {
    case EMFILE:
      return Install<&Syscalls::open, &Syscalls::openat, &Syscalls::shm_open,
                     &Syscalls::memfd_create>();
    case ENOSPC:
      return Install<&Syscalls::open, &Syscalls::openat, &Syscalls::shm_open,
                     &Syscalls::pwrite, &Syscalls::pwritev,
                     &Syscalls::ftruncate, &Syscalls::fallocate,
                     &Syscalls::renameat, &Syscalls::shmget>();
    case EINTR:
      return Install<&Syscalls::open, &Syscalls::openat, &Syscalls::shm_open,
                     &Syscalls::read, &Syscalls::pread, &Syscalls::pwrite,
                     &Syscalls::pwritev, &Syscalls::ftruncate,
                     &Syscalls::fallocate, &Syscalls::fstatfs,
                     &Syscalls::fcntl_lock, &Syscalls::ioctl>();
    default:
      return Install<&Syscalls::open, &Syscalls::openat, &Syscalls::shm_open,
                     &Syscalls::memfd_create, &Syscalls::fstat,
                     &Syscalls::fstatat, &Syscalls::statx, &Syscalls::fstatfs,
                     &Syscalls::read, &Syscalls::pread, &Syscalls::pwrite,
                     &Syscalls::pwritev, &Syscalls::ftruncate,
                     &Syscalls::fallocate, &Syscalls::ioctl,
                     &Syscalls::renameat, &Syscalls::unlinkat,
                     &Syscalls::mmap, &Syscalls::madvise,
                     &Syscalls::shmget, &Syscalls::shmat, &Syscalls::shmctl,
                     &Syscalls::realpath>();
  }
}

struct Case {
  int error;
  Moment moment;
  Backing backing;

  friend void PrintTo(const Case& one, std::ostream* out) {
    *out << strerrorname_np(one.error) << " at " << one.moment.name;
  }
};

std::vector<Case> Cases() {
  std::vector<Case> cases;
  for (const int error : {ENOMEM, ENOSPC, EMFILE, EINTR}) {
    for (const Backing backing : os::kAllBackings) {
      const os::Reach reach = os::ReachOf(backing);
      for (const Moment& moment : test::Moments()) {
        // Once created, the other backings behave like one of these.
        const bool is_typical = backing == Backing::kPosixShm ||
                                backing == Backing::kSysV ||
                                backing == Backing::kAnonymous;
        if (!is_typical && std::string_view(moment.name) != "Create") continue;
        if (moment.needs_name && reach != os::Reach::kAnyProcess) continue;
        if (moment.in_fork && reach == os::Reach::kOneProcess) continue;
        cases.push_back({error, moment, backing});
      }
    }
  }
  return cases;
}

std::string CaseName(const ::testing::TestParamInfo<Case>& info) {
  return absl::StrCat(strerrorname_np(info.param.error),
                      info.param.moment.name,
                      os::BackingText({info.param.backing, info.index}));
}

class FaultSweepTest : public ::testing::TestWithParam<Case> {
 protected:
  // Returns the footprint, without the empty page file that a failed open
  // leaves.
  std::vector<std::string> Footprint() const {
    std::vector<std::string> lines = test::FootprintOf(home_.path());
    if (std::string_view(GetParam().moment.name) == "OpenFile") {
      std::erase(lines, "file " + home_.Below("pages.db"));
    }
    return lines;
  }

  // Returns true if the moment made the nth call.
  bool Act(World& world, uint64_t nth) const {
    const auto& [error, moment, backing] = GetParam();
    ::alarm(kPatienceSeconds);
    const std::vector<std::string> before = Footprint();
    InstallFor(error);
    fault = {.error = error, .calls_left = nth};
    const absl::Status status = moment.act(world);
    const bool fired = fault.fired;
    fault = {};
    os::Sys() = os::RealSyscalls();
    if (error == EINTR) {
      EXPECT_THAT(status, IsOk());
    }
    if (!status.ok()) {
      // If pages cannot be written, Remove returns FailedPrecondition with the
      // reason.
      const bool removes = std::string_view(moment.name) == "Remove";
      EXPECT_TRUE(absl::IsResourceExhausted(status) ||
                  (removes && absl::IsFailedPrecondition(status)))
          << status;
      EXPECT_THAT(std::string(status.message()),
                  HasSubstr(absl::StrCat("errno ", strerrorname_np(error))));
      const std::vector<std::string> after = Footprint();
      // Files that were removed before the error are gone. Descriptors that
      // were synced and closed before the error are gone, too.
      const bool closes = std::string_view(moment.name) == "CloseEnv";
      EXPECT_TRUE(removes || closes ? std::ranges::includes(before, after)
                          : before == after)
          << absl::StrJoin(after, "\n") << "\nwhere there was\n"
          << absl::StrJoin(before, "\n");
      EXPECT_THAT(moment.act(world), IsOk());
    }
    world.ExpectWholeAndClose();
    return fired;
  }

  std::string Run(uint64_t nth) {
    EXPECT_THAT(test::EnterOwnShm(), IsOk());
    EXPECT_THAT(test::EnterOwnIpc(), IsOk());
    EXPECT_THAT(test::MountTmpfs(home_.path(), uint64_t{64} << 20), IsOk());
    World world(home_.path(), GetParam().backing);
    GetParam().moment.prepare(world);
    if (HasFatalFailure()) return "not prepared";
    const auto act = [&] {
      return Act(world, nth) ? "fired" : "no more calls";
    };
    if (!GetParam().moment.in_fork) return act();
    return test::InChild([&] {
      world.ForgetThread();
      return act();
    });
  }

  test::TempHome home_;
};

INSTANTIATE_TEST_SUITE_P(Of, FaultSweepTest, ::testing::ValuesIn(Cases()),
                         CaseName);

TEST_P(FaultSweepTest, FailedCallIsClearAndPasses) {
  constexpr uint64_t kMost = 500;
  std::string outcome = "fired";
  // `MPOOL_ROUNDS=2` sweeps all calls.
  const uint64_t stride = test::Rounds(1) > 1 ? 1 : 7;
  uint64_t step = 1;
  for (uint64_t nth = 1; outcome == "fired" && nth < kMost; nth += step) {
    step = nth < 3 ? 1 : nth == 3 ? 1 + test::Seed() % stride : stride;
    outcome = test::InChild([&] { return Run(nth); });
    EXPECT_THAT(outcome, ::testing::AnyOf("fired", "no more calls"))
        << "at call " << nth;
  }
  EXPECT_EQ(outcome, "no more calls");
}

}  // namespace
}  // namespace mpool
