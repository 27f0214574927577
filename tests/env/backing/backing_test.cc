// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// backing_test.cc - one suite over all backings: the processes that can share
// an environment, the files after a kill, and the files after the last close.

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
#include "os/step.h"
#include "tests/support/backing_suite.h"
#include "tests/support/mounts.h"
#include "tests/support/step_names.h"

namespace mpool {
namespace {

using absl::StatusCode;
using os::BackingText;
using test::Channel;
using test::Child;
using test::DiskText;
using test::Fails;
using test::GetText;
using test::IsOk;
using test::PutText;
using ::testing::HasSubstr;

uint64_t Of(const char* file, const std::string& key) {
  std::ifstream lines(file);
  uint64_t kilobytes = 0;
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with(key)) continue;
    kilobytes += std::stoull(line.substr(key.size()));
  }
  return kilobytes * 1024;
}

void ExpectLocked(const DbEnv& env) {
  if (const auto segment = os::MappedSegment(); segment.id >= 0) {
    EXPECT_NE(segment.permissions & SHM_LOCKED, 0u);
  } else {
    EXPECT_GE(Of("/proc/self/status", "VmLck:"), env.Stats().region_bytes);
  }
}

class LimitTest : public BackingTest {
 protected:
  // Opens the environment in a child that has no rights and may lock 64 KiB.
  absl::Status OpenWithoutRights(
      const std::function<void(EnvOptions&)>& change) const {
    EXPECT_EQ(::chmod(home_.path().c_str(), 01777), 0);
    const std::string text = test::InChild([&]() -> std::string {
      const rlimit limit = {.rlim_cur = 65536, .rlim_max = 65536};
      EXPECT_EQ(::setrlimit(RLIMIT_MEMLOCK, &limit), 0);
      EXPECT_THAT(test::DropRights(), IsOk());
      return std::string(OpenWith(change).status().message());
    });
    return absl::UnknownError(text);
  }
};
class ForkedTest : public BackingTest {};
class SharedTest : public BackingTest {};
class SysVTest : public BackingTest {
 protected:
  static int Key() { return 0x5b000000 | ::getpid(); }
  absl::StatusOr<std::unique_ptr<DbEnv>> OpenWithKey() const {
    return OpenWith([](EnvOptions& options) { options.sysv_key = Key(); });
  }
  // Removes the segment as ipcrm does.
  void LoseTheSegment() const {
    ASSERT_EQ(::shmctl(os::IpcsOf(Segment()).id, IPC_RMID, nullptr), 0);
  }
};

INSTANTIATE_TEST_SUITE_P(All, BackingTest,
                         ::testing::ValuesIn(os::kAllBackings), BackingText);
INSTANTIATE_TEST_SUITE_P(All, LimitTest,
                         ::testing::ValuesIn(os::kAllBackings), BackingText);
INSTANTIATE_TEST_SUITE_P(All, ForkedTest,
                         ::testing::ValuesIn(os::kForkedBackings), BackingText);
INSTANTIATE_TEST_SUITE_P(All, SharedTest,
                         ::testing::ValuesIn(os::kSharedBackings), BackingText);
INSTANTIATE_TEST_SUITE_P(All, SysVTest, ::testing::Values(Backing::kSysV),
                         BackingText);

TEST_P(BackingTest, LastCloseWritesPutPages) {
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

TEST_P(BackingTest, OnlySharedBackingHasFiles) {
  auto both = *Open();
  const bool shared =
      os::ReachOf(GetParam()) == os::Reach::kAnyProcess;
  EXPECT_EQ(test::FilesIn(home_.path()).size() > 1, shared);
}

TEST_P(BackingTest, PrefaultLoadsWholeRegion) {
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
  ExpectLocked(**env);
}

TEST_P(LimitTest, LockBeyondLimitIsRefusedWithRemedy) {
  const auto change = [](EnvOptions& options) { options.lock_memory = true; };
  EXPECT_THAT(
      OpenWithoutRights(change),
      Fails(StatusCode::kUnknown, "lock memory", "EnvOptions::lock_memory",
            "RLIMIT_MEMLOCK", "65536", "ulimit -l"));
}

TEST_P(LimitTest, ALaterHandleMayAskForMore) {
  ASSERT_EQ(::chmod(home_.path().c_str(), 01777), 0);
  EXPECT_EQ(test::InChild([&]() -> std::string {
              const rlimit limit = {.rlim_cur = 65536, .rlim_max = 65536};
              EXPECT_EQ(::setrlimit(RLIMIT_MEMLOCK, &limit), 0);
              EXPECT_THAT(test::DropRights(), IsOk());
              auto env = *OpenWith([](EnvOptions&) {});
              EXPECT_THAT(OpenWith([](EnvOptions& o) { o.prefault = true; }),
                          IsOk());
              const auto lock = [](EnvOptions& o) { o.lock_memory = true; };
              EXPECT_THAT(OpenWith(lock), Fails(StatusCode::kResourceExhausted,
                                                "RLIMIT_MEMLOCK", "65536"));
              EXPECT_THAT(OpenWith([](EnvOptions&) {}), IsOk());
              env = nullptr;
              return DbEnv::Remove(home_.path()).ToString();
            }),
            "OK");
}

TEST_P(BackingTest, ALaterHandleHasTheMemoryLocked) {
  auto env = OpenWith([](EnvOptions&) {});
  auto locked =
      OpenWith([](EnvOptions& options) { options.lock_memory = true; });
  ASSERT_THAT(locked, IsOk());
  ExpectLocked(**env);
}

TEST_P(BackingTest, HugeBytesMatchKernel) {
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
  // The test's own heap may have huge pages too.
  EXPECT_LE((*env)->HugeBytes(), huge);
  EXPECT_GE((*env)->HugeBytes() + (uint64_t{8} << 20), huge);
}

TEST_P(BackingTest, UnaskedHugePagesAreNotUsed) {
  std::ifstream file("/sys/kernel/mm/transparent_hugepage/enabled");
  const std::string mode{std::istreambuf_iterator<char>(file), {}};
  auto env = OpenWith([](EnvOptions& options) {
    options.prefault = true;
    options.huge_pages = false;
  });
  ASSERT_THAT(env, IsOk());
  const bool always = mode.find("[always]") != std::string::npos;
  EXPECT_TRUE(always || (*env)->HugeBytes() == 0);
}

TEST_P(ForkedTest, KilledWritingChildIsRepaired) {
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

// The child had not attached when its parent died.
TEST_P(ForkedTest, ChildRepairsKilledParent) {
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

TEST_P(SharedTest, KilledWritingProgramIsRepaired) {
  auto both = *Open();
  ASSERT_THAT(PutText(*both.file, 0, "put"), IsOk());
  Stranger stranger(home_.path(), "hold");
  ASSERT_EQ(stranger.Output(), "holds");
  ASSERT_EQ(stranger.child().Kill(), test::kKilled);
  EXPECT_EQ(GetText(*both.file, 0), "put");
  EXPECT_EQ(both.env->Stats().repairs, 1u);
  EXPECT_THAT(both.Close(), IsOk());
}

TEST_P(SharedTest, AnotherProgramAdoptsRegionOfDead) {
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
TEST_P(SharedTest, KilledCreatorOrRemoverLeaksNothing) {
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

TEST_P(SharedTest, WiderModeOfMemoryIsRefused) {
  const auto change = [](EnvOptions& options) { options.mode = 0640; };
  {
    const os::ScopedUmask umask(0077);
    EXPECT_THAT(OpenWith(change), IsOk());
  }
  const auto set_mode = [&](mode_t mode) {
    const std::string where =
        os::SegmentFile(GetParam(), home_.path(), Segment());
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

TEST_P(SharedTest, OtherBootsRegionIsRecreatedWhenIdle) {
  auto both = *Open();
  const std::string old = Segment();
  auto fixed =
      **region::ReadDescriptor(*os::File::OpenDirectory(home_.path()));
  fixed.boot_id[0] ^= 1;
  region::Seal(&fixed);
  const std::string_view bytes(reinterpret_cast<const char*>(&fixed),
                               sizeof(fixed));
  test::Overwrite(home_.Below("__db.001"), 0, bytes);
  test::Overwrite(home_.Below("__db.001"), sizeof(fixed), bytes);
  Stranger stranger(home_.path(), "exchange");
  EXPECT_THAT(stranger.Output(), ::testing::AllOf(HasSubstr("another boot"),
                                                  HasSubstr("process slot 1")));
  ASSERT_THAT(both.Close(), IsOk());
  both = *Open();
  EXPECT_EQ(both.env->Stats().origin, Origin::kReboot);
  if (GetParam() == Backing::kSysV) {
    EXPECT_EQ(os::IpcsOf(old).key, 0u);
  }
}

TEST_P(SysVTest, JoinersNeedNotKnowAgreedKey) {
  auto env = OpenWithKey();
  ASSERT_THAT(env, IsOk());
  EXPECT_EQ(os::MappedSegment().key, static_cast<uint32_t>(Key()));
  EXPECT_EQ(os::IpcsOf(Segment()).id, os::MappedSegment().id);
  auto file = *(*env)->OpenFile("pages.db", {.create = true});
  ASSERT_THAT(PutText(*file, 0, "here"), IsOk());
  Stranger stranger(home_.path(), "exchange");
  EXPECT_EQ(stranger.Output(), "here");
  EXPECT_EQ(stranger.child().End(), "");
  EXPECT_EQ(GetText(*file, 1), "stranger");
}

TEST_P(SysVTest, KeyOfAnotherHomeIsRefused) {
  auto env = OpenWithKey();
  const test::TempHome other;
  EnvOptions options = test::SmallEnv(Backing::kSysV);
  options.sysv_key = Key();
  EXPECT_THAT(DbEnv::Open(other.path(), options),
              Fails(StatusCode::kAlreadyExists, "another home", Segment(),
                    "choose another EnvOptions::sysv_key"));
  EXPECT_THAT(test::AllOf(other.path()), ::testing::IsEmpty());
  EXPECT_EQ(os::IpcsOf(Segment()).id, os::MappedSegment().id);
}

TEST_P(SysVTest, KeyTakenByProgramIsLeftAlone) {
  ASSERT_THAT(OpenWithKey(), IsOk());
  LoseTheSegment();
  const int theirs = ::shmget(Key(), 4096, IPC_CREAT | IPC_EXCL | 0600);
  ASSERT_GE(theirs, 0);
  EXPECT_THAT(OpenWithKey(),
              Fails(StatusCode::kAlreadyExists,
                    absl::StrCat("segment ", theirs, ", which process ",
                                 ::getpid(), " of another program made")));
  EXPECT_THAT(DbEnv::Remove(home_.path()), IsOk());
  EXPECT_EQ(::shmctl(theirs, IPC_RMID, nullptr), 0);
  EXPECT_THAT(OpenWithKey(), IsOk());
}

TEST_P(SysVTest, LostSegmentInUseRefusesJoiners) {
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

TEST_P(SysVTest, LostIdleSegmentIsRecreatedAndReported) {
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
