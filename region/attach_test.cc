// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cstdlib>
#include <thread>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/child.h"
#include "tests/support/dead_latch.h"
#include "tests/support/status_matchers.h"
#include "tests/support/system.h"
#include "tests/support/test_region.h"

namespace mpool::region {
namespace {

using absl::StatusCode;
using test::AllOf;
using test::Channel;
using test::Fails;
using test::FilesIn;
using test::InChild;
using test::IsOk;
using test::TempHome;
using test::WithoutIds;
using ::testing::ElementsAre;
using ::testing::ElementsAreArray;
using ::testing::ElementsAreArray;
using ::testing::IsEmpty;

class AttachTest : public os::SyscallTest {
 protected:
  std::string Segment() const {
    const auto dir = os::File::OpenDirectory(home_.path());
    return (*ReadDescriptor(*dir))->segment;
  }
  void ExpectOneEnvironment() const {
    EXPECT_THAT(WithoutIds(AllOf(home_.path())),
                ElementsAreArray(OneEnvironment()));
  }

  TempHome home_;
};

TEST_F(AttachTest, CreatorJoinerAndAdopterAttach) {
  auto first = *Attachment::Open(home_.path());
  EXPECT_EQ(first->region().attached(), Attached::kCreated);
  auto second = *Attachment::Open(home_.path());
  EXPECT_EQ(second->region().attached(), Attached::kJoined);
  EXPECT_THAT(first->ProcessSlots(), ElementsAre(1, 2));
  first->root().sums[0] = 42;
  EXPECT_EQ(second->root().sums[0], 42u);
  EXPECT_THAT(first->Leave(), IsOk());
  EXPECT_THAT(second->Leave(), IsOk());
  EXPECT_THAT(second->ThreadSlots(), IsEmpty());

  auto third = *Attachment::Open(home_.path());
  EXPECT_EQ(third->region().attached(), Attached::kAdopted);
  EXPECT_EQ(third->root().sums[0], 42u);
  EXPECT_EQ(third->region().memory().header()->adoptions.load(), 1u);
  EXPECT_THAT(third->ProcessSlots(), ElementsAre(1));
  ExpectOneEnvironment();
}

// Grows the heap of `grower` after `measured` measurements of its memory.
Attachment* grower = nullptr;
int measured = 0;
int MeasureThenGrow(int dir, const char* path, int flags, unsigned mask,
                    struct statx* info) {
  const int result = os::RealSyscalls().statx(dir, path, flags, mask, info);
  if (grower == nullptr) return result;
  const uint64_t size = grower->region().memory().header()->size_bytes.load();
  if (info->stx_size != grower->region().memory().mapping_bytes() ||
      --measured > 0) {
    return result;
  }
  Attachment& here = *std::exchange(grower, nullptr);
  const uint64_t more = here.heap().Stats(here.self()).largest_free_bytes;
  EXPECT_THAT(here.heap().Allocate(here.self(), more + 65536, 16), IsOk());
  EXPECT_GT(here.region().memory().header()->size_bytes.load(), size);
  return result;
}

TEST_F(AttachTest, RegionGrowingDuringJoinIsJoined) {
  auto first = *Attachment::Open(home_.path());
  os::Sys().statx = MeasureThenGrow;
  for (const int times : {1, 2}) {
    measured = times;
    grower = first.get();
    auto second = Attachment::Open(home_.path());
    ASSERT_THAT(second, IsOk()) << "grown when it was measured " << times;
    EXPECT_EQ(grower, nullptr);
    EXPECT_EQ((*second)->region().attached(), Attached::kJoined);
    ASSERT_THAT((*second)->Leave(), IsOk());
    measured = times;
    grower = first.get();
    EXPECT_THAT(
        InspectRegion(first->region().home_files().home(),
                      first->region().memory().fixed().signature),
        IsOk());
    EXPECT_EQ(grower, nullptr);
  }
}

TEST_F(AttachTest, OnlyTheLastOneIsTheLast) {
  auto first = *Attachment::Open(home_.path());
  auto second = *Attachment::Open(home_.path());
  auto third = *Attachment::Open(home_.path());
  bool is_last = true;
  for (Attachment* one : {first.get(), second.get(), third.get()}) {
    os::ByteLock gate = *one->region().BeginLeave(&is_last);
    EXPECT_FALSE(is_last);
  }
  ASSERT_THAT(first->Leave(), IsOk());
  ASSERT_THAT(third->Leave(), IsOk());
  const os::ByteLock gate = *second->region().BeginLeave(&is_last);
  EXPECT_TRUE(is_last);
}

TEST_F(AttachTest, DeadProcessIsRepairedByJoiner) {
  {
    auto dead = *Attachment::Open(home_.path());
    ASSERT_THAT(dead->region().members().RegisterThread(), IsOk());
    LeaveLocked(dead->root().latches[1], dead->self());
    dead->self().slot->used.store(1);
    dead->self().slot->entries[0].store(99);
    ASSERT_THAT(dead->heap().Allocate(dead->self(), 64, 16), IsOk());
  }
  auto next = *Attachment::Open(home_.path());
  EXPECT_EQ(next->region().attached(), Attached::kAdopted);
  const RepairReport& report = next->at_attach();
  ASSERT_EQ(report.processes.size(), 1u);
  EXPECT_EQ(report.processes[0].slot, 1u);
  EXPECT_EQ(report.processes[0].pid, ::getpid());
  EXPECT_EQ(report.pins, 1u);
  EXPECT_EQ(report.latches, 1u);
  EXPECT_THAT(next->ProcessSlots(), ElementsAre(2));
  EXPECT_THAT(next->ThreadSlots(), ElementsAre(2));
  EXPECT_EQ(next->region().memory().header()->repairs.load(), 1u);
  EXPECT_THAT(next->heap().Check(next->self()), IsOk());
  EXPECT_TRUE(next->Repair().processes.empty());
}

TEST_F(AttachTest, EmptyHomeWithoutCreateIsNotFound) {
  RegionOptions options = TestOptions();
  options.create = false;
  EXPECT_THAT(Attachment::Open(home_.path(), options),
              Fails(StatusCode::kNotFound, "join region of", home_.path(),
                    "EnvOptions::create"));
  EXPECT_THAT(AllOf(home_.path()), IsEmpty());
}

TEST_F(AttachTest, FullProcessSlotsGiveErrorWithRemedy) {
  std::vector<std::unique_ptr<Attachment>> all;
  for (uint32_t i = 0; i < kMaxProcesses; ++i) {
    all.push_back(*Attachment::Open(home_.path()));
  }
  EXPECT_THAT(Attachment::Open(home_.path()),
              Fails(StatusCode::kResourceExhausted, home_.path(),
                    "all 256 process slots are taken", "close a process"));
  ASSERT_THAT(all[77]->Leave(), IsOk());
  auto again = *Attachment::Open(home_.path());
  EXPECT_EQ(again->region().members().process(), 78u);
}

// Simulates a process that dies with a thread, a pin, a latch and an unlinked
// chunk.
void DieInTheMiddle(const std::string& home, uint32_t latch) {
  auto there = *Attachment::Open(home);
  const Thread thread = *there->region().members().RegisterThread();
  thread.slot->used.store(1);
  thread.slot->entries[0].store(9);
  EXPECT_THAT(there->heap().Allocate(there->self(), 64, 16), IsOk());
  LeaveLocked(there->root().latches[latch], thread);
}

// A dead process holds every process slot except the first. The process of the
// first slot lives.
class DeadButOneTest : public AttachTest {
 protected:
  DeadButOneTest() : alive_(*Attachment::Open(home_.path())) {
    used_ = alive_->heap().Stats(alive_->self()).used_chunks;
    DieInTheMiddle(home_.path(), 0);
    DieInTheMiddle(home_.path(), 1);
    std::vector<std::unique_ptr<Attachment>> all;
    while (all.size() < kMaxProcesses - 3) {
      all.push_back(*Attachment::Open(home_.path()));
    }
  }
  void ExpectRepaired(Attachment& here, uint64_t dead) {
    here.Repair();
    EXPECT_THAT(here.ThreadSlots(), ElementsAreArray(here.ProcessSlots()));
    EXPECT_EQ(here.root().latches[0].owner(), 0u);
    EXPECT_EQ(here.root().latches[1].owner(), 0u);
    EXPECT_THAT(here.heap().Check(here.self()), IsOk());
    // A block of thread slots stays allocated.
    EXPECT_EQ(here.heap().Stats(here.self()).used_chunks, used_ + 1);
    EXPECT_EQ(here.region().memory().header()->repairs.load(), dead);
  }

  std::unique_ptr<Attachment> alive_;
  uint32_t used_ = 0;
};

TEST_F(DeadButOneTest, SuccessorTakesSlotAndRepairsAll) {
  auto here = *Attachment::Open(home_.path());
  EXPECT_EQ(here->region().attached(), Attached::kJoined);
  EXPECT_EQ(here->region().members().process(), 2u);
  ASSERT_EQ(here->at_attach().processes.size(), 1u);
  EXPECT_EQ(here->at_attach().processes[0].slot, 2u);
  EXPECT_EQ(here->at_attach().pins, 1u);
  ExpectRepaired(*here, kMaxProcesses - 1);
  EXPECT_THAT(here->ProcessSlots(), ElementsAre(1, 2));
  EXPECT_THAT(here->Leave(), IsOk());
}

TEST_F(DeadButOneTest, DeadSuccessorIsSucceeded) {
  {
    auto first = *Attachment::Open(home_.path());
    EXPECT_EQ(first->region().members().process(), 2u);
    ASSERT_THAT(first->region().members().RegisterThread(), IsOk());
  }
  auto here = *Attachment::Open(home_.path());
  EXPECT_EQ(here->region().members().process(), 2u);
  ExpectRepaired(*here, kMaxProcesses);
  EXPECT_THAT(here->ProcessSlots(), ElementsAre(1, 2));
}

TEST_F(DeadButOneTest, InheritedStateOfSuccessorIsRepaired) {
  // Slots 2 and 3 died in the middle.
  auto two = *Attachment::Open(home_.path());
  ASSERT_EQ(two->region().members().process(), 2u);
  EXPECT_EQ(two->root().latches[0].owner(), 0u);
  EXPECT_EQ(two->root().latches[1].owner(), kMaxProcesses + 2);
  auto three = *Attachment::Open(home_.path());
  EXPECT_EQ(three->region().members().process(), 3u);
  EXPECT_EQ(three->at_attach().pins, 1u);
  EXPECT_EQ(three->at_attach().latches, 1u);
  ASSERT_THAT(two->Leave(), IsOk());
  ExpectRepaired(*three, kMaxProcesses - 1);
  EXPECT_THAT(three->ProcessSlots(), ElementsAre(1, 3));
}

TEST_F(DeadButOneTest, AdopterRepairsAllDeadAtOnce) {
  alive_ = nullptr;
  auto here = *Attachment::Open(home_.path());
  EXPECT_EQ(here->region().attached(), Attached::kAdopted);
  EXPECT_EQ(here->region().members().process(), 1u);
  EXPECT_EQ(here->at_attach().processes.size(), kMaxProcesses);
  EXPECT_EQ(here->at_attach().pins, 2u);
  EXPECT_EQ(here->at_attach().latches, 2u);
  ExpectRepaired(*here, kMaxProcesses);
  EXPECT_THAT(here->ProcessSlots(), ElementsAre(1));
  EXPECT_EQ(here->region().memory().header()->adoptions.load(), 1u);
}

TEST_F(AttachTest, EndedThreadFreesSlotOfFullTable) {
  auto here = *Attachment::Open(home_.path());
  std::vector<Thread> threads;
  for (uint32_t i = 0; i < kMaxThreads - kMaxProcesses; ++i) {
    threads.push_back(*here->region().members().RegisterThread());
  }
  EXPECT_THAT(here->region().members().RegisterThread(),
              Fails(StatusCode::kResourceExhausted, home_.path(),
                    "all 3838 thread slots are taken"));
  here->region().members().UnregisterThread(threads[1000]);
  const auto again = here->region().members().RegisterThread();
  ASSERT_THAT(again, IsOk());
  EXPECT_EQ(again->id, threads[1000].id);
}

TEST_F(AttachTest, LeavingThreadKeepsSlotWhileGuardsRemain) {
  auto here = *Attachment::Open(home_.path());
  const Thread thread = *here->region().members().RegisterThread();
  thread.slot->used.store(1);
  thread.slot->entries[0].store(5);
  here->region().members().UnregisterThread(thread);
  EXPECT_THAT(here->ThreadSlots(), ElementsAre(1, thread.id));
  const Thread other = *here->region().members().RegisterThread();
  EXPECT_NE(other.id, thread.id);
  here->region().members().UnregisterThread(other);
  thread.slot->entries[0].store(0);
  const Thread last = *here->region().members().RegisterThread();
  EXPECT_EQ(last.id, thread.id);
}

TEST_F(AttachTest, FailedFormatLeavesNothing) {
  EXPECT_THAT(Attachment::Open(home_.path(), TestOptions(),
                               absl::ResourceExhaustedError("no room")),
              Fails(StatusCode::kResourceExhausted, "no room"));
  EXPECT_THAT(AllOf(home_.path()), IsEmpty());
  const auto again = Attachment::Open(home_.path());
  ASSERT_THAT(again, IsOk());
  EXPECT_EQ((*again)->region().attached(), Attached::kCreated);
}

// A temporary shortage in the kernel does not mean that the region is unsound.
TEST_F(AttachTest, FailedAdoptionKeepsRegion) {
  {
    auto first = *Attachment::Open(home_.path());
    first->root().sums[0] = 42;
    ASSERT_THAT(first->Leave(), IsOk());
  }
  // The small mappings belong to the locks.
  static int calls;
  calls = 0;
  os::Sys().mmap = [](void* hint, size_t size, int protection, int flags,
                      int fd, off_t offset) {
    if (size > (1u << 20)) {
      ++calls;
      errno = EAGAIN;
      return MAP_FAILED;
    }
    return os::RealSyscalls().mmap(hint, size, protection, flags, fd, offset);
  };
  EXPECT_FALSE(Attachment::Open(home_.path()).ok());
  EXPECT_EQ(calls, 1);
  os::Sys() = os::RealSyscalls();
  auto again = *Attachment::Open(home_.path());
  EXPECT_EQ(again->region().attached(), Attached::kAdopted);
  EXPECT_EQ(again->root().sums[0], 42u);
}

TEST_F(AttachTest, TheSoundCopyOfTheHeaderCounts) {
  {
    auto first = *Attachment::Open(home_.path());
    ASSERT_THAT(first->Leave(), IsOk());
  }
  const std::string segment = "/dev/shm" + Segment();
  test::Overwrite(segment, offsetof(FixedHeader, policy), "\x77");
  test::Overwrite(home_.Below(kDescriptorName), 0, "torn");
  auto again = *Attachment::Open(home_.path());
  EXPECT_EQ(again->region().attached(), Attached::kAdopted);
  EXPECT_EQ(again->region().memory().fixed().policy,
            static_cast<uint32_t>(Policy::kClock));
}

TEST_F(AttachTest, FileModeIgnoresUmask) {
  const os::ScopedUmask umask(0077);
  RegionOptions options = TestOptions();
  options.mode = 0664;
  auto here = *Attachment::Open(home_.path(), options);
  for (const std::string& path :
       {home_.Below(kRegisterName), home_.Below(kDescriptorName),
        "/dev/shm" + Segment()}) {
    struct stat info = {};
    ASSERT_EQ(::stat(path.c_str(), &info), 0) << path;
    EXPECT_EQ(info.st_mode & 07777, 0664u) << path;
  }
}

TEST_F(AttachTest, ForkedChildAttachesAsOwnProcess) {
  auto here = *Attachment::Open(home_.path());
  const uint32_t generation = here->region().generation().value();
  EXPECT_NE(generation, 0u);
  const std::string outcome = InChild([&]() -> std::string {
    EXPECT_EQ(here->region().generation().value(), 0u);
    const auto refuse = [](uint32_t) { return absl::AbortedError("no"); };
    EXPECT_EQ(here->region().EnterChild(refuse).message(), "no");
    EXPECT_EQ(here->region().generation().value(), 0u);
    EXPECT_THAT(here->ProcessSlots(), ElementsAre(1));
    uint32_t given = 0;
    EXPECT_THAT(here->region().EnterChild([&](uint32_t next) {
      given = next;
      // Other threads of the child wait until `ready` has returned.
      EXPECT_EQ(here->region().generation().value(), 0u);
      return absl::OkStatus();
    }),
                IsOk());
    EXPECT_EQ(here->region().generation().value(), given);
    EXPECT_NE(here->region().generation().value(), 0u);
    EXPECT_NE(here->region().generation().value(), generation);
    EXPECT_EQ(here->region().members().process(), 2u);
    EXPECT_THAT(here->ProcessSlots(), ElementsAre(1, 2));
    EXPECT_THAT(here->Leave(), IsOk());
    return "left";
  });
  EXPECT_EQ(outcome, "left");
  EXPECT_EQ(here->region().members().process(), 1u);
  EXPECT_THAT(here->ProcessSlots(), ElementsAre(1));
}

TEST_F(AttachTest, ChildOfRemovedRegionIsRefused) {
  auto here = *Attachment::Open(home_.path());
  test::Child child([&](Channel& parent) {
    parent.Hear();
    return here->region()
        .EnterChild([](uint32_t) { return absl::OkStatus(); })
        .ToString();
  });
  ASSERT_THAT(here->Leave(), IsOk());
  ASSERT_THAT(RemoveRegion(home_.path()), IsOk());
  child.Say("go");
  EXPECT_THAT(child.End(), ::testing::HasSubstr("in a forked child"));
}

class RemoverTest : public AttachTest {
 protected:
  // The parent, which the child notifies before it waits for a lock.
  static Channel* asked;
};
Channel* RemoverTest::asked;

TEST_F(RemoverTest, UnusedRegionIsRemovedCompletely) {
  ASSERT_THAT((*Attachment::Open(home_.path()))->Leave(), IsOk());
  ExpectOneEnvironment();
  EXPECT_THAT(RemoveRegion(home_.path()), IsOk());
  EXPECT_THAT(AllOf(home_.path()), IsEmpty());
  EXPECT_THAT(RemoveRegion(home_.path()), IsOk());
}

TEST_F(RemoverTest, AttachedProcessPreventsRemoval) {
  auto here = *Attachment::Open(home_.path());
  EXPECT_THAT(RemoveRegion(home_.path()),
              Fails(StatusCode::kFailedPrecondition, "remove region of",
                    home_.path(), "slot 1 is in use", "close every program"));
  ExpectOneEnvironment();
  EXPECT_EQ((*Attachment::Open(home_.path()))->region().attached(),
            Attached::kJoined);
}

TEST_F(RemoverTest, SecondRemoverFindsNothing) {
  ASSERT_THAT((*Attachment::Open(home_.path()))->Leave(), IsOk());
  auto first = *RegionRemover::Begin(*os::File::OpenDirectory(home_.path()));
  test::Child second([&](Channel& parent) {
    os::Sys().fcntl_lock = [](int fd, int command, struct flock* lock) {
      if (command == F_OFD_SETLKW) asked->Say("waiting");
      return os::RealSyscalls().fcntl_lock(fd, command, lock);
    };
    asked = &parent;
    return RemoveRegion(home_.path()).ToString();
  });
  ASSERT_EQ(second.Hear(), "waiting");
  EXPECT_THAT(first.Finish(), IsOk());
  while (true) {
    const std::string heard = second.Hear();
    if (heard == "waiting") continue;
    EXPECT_EQ(heard, "OK");
    break;
  }
  EXPECT_THAT(AllOf(home_.path()), IsEmpty());
}

}  // namespace
}  // namespace mpool::region
