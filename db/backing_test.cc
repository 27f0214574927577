// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// backing_test.cc - one suite over all backings: who can share an environment,
// what a kill leaves, and what is left when everybody has gone.

#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>

#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mpool/mpool.h"
#include "os/step.h"
#include "os/test_backings.h"
#include "region/region.h"
#include "tests/support/child.h"
#include "tests/support/mounts.h"
#include "tests/support/pages.h"
#include "tests/support/status_matchers.h"
#include "tests/support/step_names.h"
#include "tests/support/temp_home.h"

namespace mpool {
namespace {

using absl::StatusCode;
using os::BackingText;
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
using ::testing::HasSubstr;

// A program that was executed, with its output.
class Stranger {
 public:
  Stranger(const std::string& home, const char* verb)
      : child_([&](Channel&) -> std::string {
          ::dup2(ends_.fds[1], STDOUT_FILENO);
          ::execl(MPOOL_STRANGER, "stranger", home.c_str(), verb,
                  static_cast<char*>(nullptr));
          return "not executed";
        }) {
    ::close(ends_.fds[1]);
  }
  ~Stranger() { ::close(ends_.fds[0]); }
  // What it wrote, without the end of the line.
  std::string Output() {
    char text[1024];
    const ssize_t got = ::read(ends_.fds[0], text, sizeof(text));
    return got <= 0 ? "" : std::string(text, static_cast<size_t>(got) - 1);
  }
  Child& child() { return child_; }

 private:
  struct Ends {
    Ends() { EXPECT_EQ(::pipe(fds), 0); }
    int fds[2] = {-1, -1};
  };
  Ends ends_;
  Child child_;
};

uint64_t Of(const char* file, const std::string& key) {
  std::ifstream lines(file);
  uint64_t kilobytes = 0;
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with(key)) continue;
    kilobytes += std::stoull(line.substr(key.size()));
  }
  return kilobytes * 1024;
}

class BackingTest : public ::testing::TestWithParam<Backing> {
 protected:
  // Whatever was done, no memory is left.
  ~BackingTest() override {
    const std::string segment = Segment();
    EXPECT_THAT(DbEnv::Remove(home_.path()), IsOk());
    if (GetParam() == Backing::kSysV && !segment.empty()) {
      EXPECT_EQ(os::IpcsOf(segment).key, 0u);
    }
    EXPECT_FALSE(os::HasStrayMappings(*os::File::OpenDirectory(home_.path())));
    EXPECT_THAT(AllOf(home_.path()), ::testing::Each("pages.db"));
  }
  // The memory's name, as the descriptor has it; empty if there is none.
  std::string Segment() const {
    const auto descriptor =
        region::ReadDescriptor(*os::File::OpenDirectory(home_.path()));
    return descriptor->has_value() ? (*descriptor)->segment : "";
  }
  absl::StatusOr<test::Opened> Open() const {
    return OpenBoth(home_.path(), SmallEnv(GetParam()));
  }
  absl::StatusOr<std::unique_ptr<DbEnv>> OpenWith(
      const std::function<void(EnvOptions&)>& change) const {
    EnvOptions options = SmallEnv(GetParam());
    change(options);
    return DbEnv::Open(home_.path(), options);
  }
  // A child without rights that may lock 64 KiB opens the environment.
  absl::Status OpenWithoutRights(
      const std::function<void(EnvOptions&)>& change) const {
    EXPECT_EQ(::chmod(home_.path().c_str(), 0777), 0);
    const std::string text = test::InChild([&]() -> std::string {
      const rlimit limit = {.rlim_cur = 65536, .rlim_max = 65536};
      EXPECT_EQ(::setrlimit(RLIMIT_MEMLOCK, &limit), 0);
      EXPECT_THAT(test::DropRights(), IsOk());
      return std::string(OpenWith(change).status().message());
    });
    return absl::UnknownError(text);
  }

  TempHome home_;
};
class ForkedTest : public BackingTest {};
class SharedTest : public BackingTest {};
class UnnamedTest : public BackingTest {};
class SysVTest : public BackingTest {
 protected:
  // As ipcrm does.
  void LoseTheSegment() const {
    ASSERT_EQ(::shmctl(os::IpcsOf(Segment()).id, IPC_RMID, nullptr), 0);
  }
};

INSTANTIATE_TEST_SUITE_P(All, BackingTest,
                         ::testing::ValuesIn(os::kAllBackings), BackingText);
INSTANTIATE_TEST_SUITE_P(All, ForkedTest,
                         ::testing::ValuesIn(os::kForkedBackings), BackingText);
INSTANTIATE_TEST_SUITE_P(All, SharedTest,
                         ::testing::ValuesIn(os::kSharedBackings), BackingText);
INSTANTIATE_TEST_SUITE_P(All, UnnamedTest,
                         ::testing::ValuesIn(os::kUnnamedBackings),
                         BackingText);
INSTANTIATE_TEST_SUITE_P(All, SysVTest, ::testing::Values(Backing::kSysV),
                         BackingText);

TEST_P(BackingTest, PagesArePutAndAreOnDiskAfterTheLastClose) {
  for (const char* text : {"first", "second"}) {
    auto both = *Open();
    EXPECT_EQ(both.env->Stats().backing, GetParam());
    if (std::string_view(text) == "second") {
      EXPECT_EQ(GetText(*both.file, 0), "first");
    }
    ASSERT_THAT(PutText(*both.file, 0, text), IsOk());
    ASSERT_THAT(both.Close(), IsOk());
    EXPECT_EQ(DiskText(home_.Below("pages.db"), 0), text);
  }
}

TEST_P(BackingTest, OnlyASharedOneHasFilesInTheHome) {
  auto both = *Open();
  const bool shared =
      os::ReachOf(GetParam()) == os::Reach::kAnyProcess;
  EXPECT_EQ(test::FilesIn(home_.path()).size() > 1, shared);
}

TEST_P(BackingTest, PrefaultHasTheWholeRegionInMemoryAtOnce) {
  const uint64_t before = Of("/proc/self/status", "VmRSS:");
  auto env = OpenWith([](EnvOptions& options) {
    options.prefault = true;
    options.cache_bytes = uint64_t{32} << 20;
  });
  ASSERT_THAT(env, IsOk());
  EXPECT_GE(Of("/proc/self/status", "VmRSS:") - before,
            (*env)->Stats().region_bytes * 9 / 10);
}

TEST_P(BackingTest, LockedMemoryIsLocked) {
  auto env = OpenWith([](EnvOptions& options) { options.lock_memory = true; });
  ASSERT_THAT(env, IsOk());
  if (GetParam() == Backing::kSysV) {
    EXPECT_NE(os::IpcsOf(Segment()).permissions & SHM_LOCKED, 0u);
  } else {
    EXPECT_GE(Of("/proc/self/status", "VmLck:"), (*env)->Stats().region_bytes);
  }
}

TEST_P(BackingTest, ALockBeyondTheLimitIsRefusedAndSaysWhatToDo) {
  const auto change = [](EnvOptions& options) { options.lock_memory = true; };
  EXPECT_THAT(
      OpenWithoutRights(change),
      Fails(StatusCode::kUnknown, "lock memory", "EnvOptions::lock_memory",
            "RLIMIT_MEMLOCK", "65536", "ulimit -l"));
}

TEST_P(BackingTest, HugeBytesAreWhatTheKernelSays) {
  auto env = OpenWith([](EnvOptions& options) {
    options.prefault = true;
    options.cache_bytes = uint64_t{32} << 20;
  });
  ASSERT_THAT(env, IsOk());
  uint64_t huge = 0;
  for (const char* key :
       {"AnonHugePages:", "ShmemPmdMapped:", "FilePmdMapped:"}) {
    huge += Of("/proc/self/smaps", key);
  }
  // The test's own heap may have some too.
  EXPECT_LE((*env)->Stats().huge_bytes, huge);
  EXPECT_GE((*env)->Stats().huge_bytes + (uint64_t{8} << 20), huge);
}

TEST_P(BackingTest, WhoDoesNotAskForHugePagesHasNoneUnlessAllHave) {
  std::ifstream file("/sys/kernel/mm/transparent_hugepage/enabled");
  const std::string mode{std::istreambuf_iterator<char>(file), {}};
  auto env = OpenWith([](EnvOptions& options) {
    options.prefault = true;
    options.huge_pages = false;
  });
  ASSERT_THAT(env, IsOk());
  const bool always = mode.find("[always]") != std::string::npos;
  EXPECT_TRUE(always || (*env)->Stats().huge_bytes == 0);
}

TEST_P(ForkedTest, AChildThatIsKilledWithAPageForUpdateIsRepaired) {
  auto both = *Open();
  ASSERT_THAT(PutText(*both.file, 0, "put"), IsOk());
  Child child([&](Channel& parent) {
    auto page = *both.file->GetForUpdate(0);
    test::Fill(page.data(), "torn");
    parent.Say("holds");
    return parent.Hear();
  });
  ASSERT_EQ(child.Hear(), "holds");
  ASSERT_EQ(child.Kill(), test::kKilled);
  EXPECT_EQ(GetText(*both.file, 0), "put");
  EXPECT_EQ(both.env->Stats().repairs, 1u);
  EXPECT_THAT(both.Close(), IsOk());
}

// The child had not come in when its parent died.
TEST_P(ForkedTest, AChildTakesOverWhatItsKilledParentLeft) {
  Child parent([&](Channel& line) -> std::string {
    auto both = *Open();
    EXPECT_THAT(PutText(*both.file, 0, "put"), IsOk());
    Child child([&](Channel&) -> std::string {
      ::prctl(PR_SET_PDEATHSIG, 0);
      line.Say("ready");
      line.Hear();
      line.Say(GetText(*both.file, 0));
      EXPECT_THAT(both.Close(), IsOk());
      line.Say("closed");
      return "";
    });
    auto page = *both.file->GetForUpdate(0);
    test::Fill(page.data(), "torn");
    line.Say("holds");
    return child.End();
  });
  std::vector<std::string> said = {parent.Hear(), parent.Hear()};
  EXPECT_THAT(said, ::testing::UnorderedElementsAre("ready", "holds"));
  ASSERT_EQ(::kill(parent.pid(), SIGKILL), 0);
  siginfo_t dead = {};
  ASSERT_EQ(::waitid(P_PID, static_cast<id_t>(parent.pid()), &dead,
                     WEXITED | WNOWAIT),
            0);
  parent.Say("go");
  EXPECT_EQ(parent.Hear(), "put");
  EXPECT_EQ(parent.Hear(), "closed");
  EXPECT_EQ(parent.End(), test::kKilled);
  EXPECT_EQ(DiskText(home_.Below("pages.db"), 0), "put");
}

TEST_P(SharedTest, AnotherProgramJoins) {
  auto both = *Open();
  ASSERT_THAT(PutText(*both.file, 0, "here"), IsOk());
  Stranger stranger(home_.path(), "exchange");
  EXPECT_EQ(stranger.Output(), "here");
  EXPECT_EQ(stranger.child().End(), "");
  EXPECT_EQ(GetText(*both.file, 1), "stranger");
  EXPECT_EQ(both.env->Stats().repairs, 0u);
  EXPECT_THAT(both.Close(), IsOk());
}

TEST_P(SharedTest, AnotherProgramThatIsKilledWithAPageForUpdateIsRepaired) {
  auto both = *Open();
  ASSERT_THAT(PutText(*both.file, 0, "put"), IsOk());
  Stranger stranger(home_.path(), "hold");
  ASSERT_EQ(stranger.Output(), "holds");
  ASSERT_EQ(stranger.child().Kill(), test::kKilled);
  EXPECT_EQ(GetText(*both.file, 0), "put");
  EXPECT_EQ(both.env->Stats().repairs, 1u);
  EXPECT_THAT(both.Close(), IsOk());
}

TEST_P(SharedTest, AnotherProgramTakesOverWhatAllTheDeadLeft) {
  {
    auto both = *Open();
    ASSERT_THAT(PutText(*both.file, 0, "put"), IsOk());
  }
  Stranger stranger(home_.path(), "hold");
  ASSERT_EQ(stranger.Output(), "holds");
  ASSERT_EQ(stranger.child().Kill(), test::kKilled);
  auto both = *Open();
  EXPECT_EQ(both.env->Stats().adoptions, 2u);
  EXPECT_EQ(GetText(*both.file, 0), "put");
}

#ifdef MPOOL_STEPS
TEST_P(SharedTest, ACreatorOrRemoverThatIsKilledAnywhereLeavesNothingForEver) {
  for (const char* prefix : {"region.create.", "region.remove."}) {
    for (const std::string& step : test::StepNames(prefix)) {
      SCOPED_TRACE(step);
      EXPECT_EQ(test::InChild([&]() -> std::string {
                  os::KillAtStep(step, 1);
                  { auto both = *Open(); }
                  return DbEnv::Remove(home_.path()).ToString();
                }),
                test::kKilled);
      {
        auto both = *Open();
        EXPECT_THAT(PutText(*both.file, 0, "next"), IsOk());
        EXPECT_EQ(both.env->Stats().processes, 1u);
      }
      EXPECT_THAT(DbEnv::Remove(home_.path()), IsOk());
      EXPECT_FALSE(
          os::HasStrayMappings(*os::File::OpenDirectory(home_.path())));
    }
  }
}
#endif

TEST_P(SharedTest, TheModeIsExactAndMemoryThatIsOpenToMoreIsRefused) {
  const auto change = [](EnvOptions& options) { options.mode = 0640; };
  {
    const os::ScopedUmask umask(0077);
    EXPECT_THAT(OpenWith(change), IsOk());
  }
  const auto set_mode = [&](mode_t mode) {
    const std::string where = GetParam() == Backing::kFile
                                  ? home_.Below(Segment())
                                  : "/dev/shm" + Segment();
    if (GetParam() != Backing::kSysV) return ::chmod(where.c_str(), mode);
    shmid_ds state = {};
    const int id = os::IpcsOf(Segment()).id;
    EXPECT_EQ(::shmctl(id, IPC_STAT, &state), 0);
    state.shm_perm.mode = static_cast<unsigned short>(mode);
    return ::shmctl(id, IPC_SET, &state);
  };
  ASSERT_EQ(set_mode(0666), 0);
  EXPECT_THAT(Open(), Fails(StatusCode::kFailedPrecondition, "permission bits",
                            "0666", "0640"));
  ASSERT_EQ(set_mode(0600), 0);
  EXPECT_THAT(Open(), IsOk());
}

TEST_P(UnnamedTest, AnotherProgramIsToldWhyItCannotJoin) {
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

TEST_P(UnnamedTest, AHomeThatOthersCanJoinIsRefused) {
  auto named = *OpenBoth(home_.path(), SmallEnv());
  ASSERT_THAT(named.Close(), IsOk());
  EXPECT_THAT(Open(), Fails(StatusCode::kFailedPrecondition, home_.path(),
                            "other processes can join", "mpool remove"));
  ASSERT_THAT(DbEnv::Remove(home_.path()), IsOk());
  EXPECT_THAT(Open(), IsOk());
}

TEST_P(UnnamedTest, AChildThatComesAfterTheLastCloseOpensAgain) {
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

// Until it ends, it could come in.
TEST_P(UnnamedTest, AnIdleChildOfAKilledParentKeepsOthersOut) {
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

TEST_P(UnnamedTest, WhatNoSyncWroteIsLostWithAllProcesses) {
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

TEST_P(SysVTest, ASegmentThatIsGoneWhileInUseRefusesJoinersByHolder) {
  auto both = *Open();
  ASSERT_THAT(PutText(*both.file, 0, "put"), IsOk());
  LoseTheSegment();
  Stranger stranger(home_.path(), "exchange");
  EXPECT_THAT(stranger.Output(),
              ::testing::AllOf(HasSubstr("its memory is gone"),
                               HasSubstr("process slot 1"),
                               HasSubstr("ipcrm")));
  EXPECT_EQ(GetText(*both.file, 0), "put");
  EXPECT_THAT(both.Close(), IsOk());
  EXPECT_EQ(DiskText(home_.Below("pages.db"), 0), "put");
}

TEST_P(SysVTest, ASegmentThatIsGoneWhileIdleIsMadeAnewAndTold) {
  { auto both = *Open(); }
  LoseTheSegment();
  auto both = *Open();
  EXPECT_EQ(both.env->Stats().origin, Origin::kLost);
}

TEST_P(SysVTest, ProcessesOfAnotherIpcNamespaceAreRefused) {
  auto both = *Open();
  EXPECT_THAT(test::InChild([&] {
                EXPECT_THAT(test::EnterOwnIpc(), IsOk());
                Stranger stranger(home_.path(), "exchange");
                return stranger.Output();
              }),
              HasSubstr("its memory is gone"));
}

}  // namespace
}  // namespace mpool
