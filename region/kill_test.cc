// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// kill_test.cc - SIGKILL at each step of creating, joining, leaving, removing
// and repairing a region. The steps are the MPOOL_STEP names of the sources.

#include <fcntl.h>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "os/step.h"
#include "os/syscalls.h"
#include "tests/support/backings.h"
#include "tests/support/child.h"
#include "tests/support/status_matchers.h"
#include "tests/support/step_names.h"
#include "tests/support/test_region.h"

namespace mpool::region {
namespace {

using test::AllOf;
using test::IsOk;
using test::StepNames;
using test::StepTestName;
using test::TempHome;
using test::WithoutIds;
using ::testing::ElementsAre;
using ::testing::ElementsAreArray;
using ::testing::IsEmpty;

class KillTest : public ::testing::TestWithParam<std::string> {
 protected:
  absl::StatusOr<std::unique_ptr<Attachment>> Open() const {
    return Attachment::Open(home_.path(), TestOptions(backing_));
  }
  // Runs `body` in a process that is killed at the step; returns its end.
  std::string KilledWhile(const std::function<absl::Status()>& body,
                          uint64_t hit = 1) {
    return test::InChild([&] {
      os::KillAtStep(GetParam(), hit);
      return "survived: " + body().ToString();
    });
  }
  absl::Status OpenAndLeave() {
    MPOOL_ASSIGN_OR_RETURN(auto there, Open());
    return there->Leave();
  }
  // Cuts the memory short, or removes it if it cannot be cut.
  void LoseMemory() const {
    if (backing_ == Backing::kSysV) {
      EXPECT_EQ(*os::RemoveStrayMappings(
                    *os::File::OpenDirectory(home_.path())),
                1u);
    } else {
      test::SetSize(backing_ == Backing::kFile
                        ? home_.Below("__db.002")
                        : "/dev/shm/" + test::SegmentsOf(home_.path())[0],
                    4096);
    }
  }
  // Opens the home, repairs, and expects no other process and one environment.
  std::unique_ptr<Attachment> OpenAndCheck() {
    auto here = Open();
    EXPECT_THAT(here, IsOk());
    if (!here.ok()) return nullptr;
    (*here)->Repair();
    ExpectAlone(**here);
    return *std::move(here);
  }
  void ExpectAlone(Attachment& here) {
    EXPECT_THAT(here.ProcessSlots(),
                ElementsAre(here.region().members().process()));
    EXPECT_THAT(here.ThreadSlots(), ElementsAre(here.self().id));
    EXPECT_THAT(here.heap().Check(here.self()), IsOk());
    EXPECT_THAT(WithoutIds(AllOf(home_.path())),
                ElementsAreArray(OneEnvironment(backing_)));
  }

  const Backing backing_ = test::SharedBackingFor(GetParam());
  TempHome home_;
};

class KilledCreatorTest : public KillTest {};
INSTANTIATE_TEST_SUITE_P(Step, KilledCreatorTest,
                         ::testing::ValuesIn(StepNames("region.create.")),
                         StepTestName);

TEST_P(KilledCreatorTest, HomeOpensAfterDeath) {
  ASSERT_EQ(KilledWhile([&] { return OpenAndLeave(); }), test::kKilled);
  auto here = OpenAndCheck();
  ASSERT_NE(here, nullptr);
  EXPECT_THAT(here->Leave(), IsOk());
}

TEST_P(KilledCreatorTest, LeavesAHomeThatCanBeRemoved) {
  ASSERT_EQ(KilledWhile([&] { return OpenAndLeave(); }), test::kKilled);
  EXPECT_THAT(RemoveRegion(home_.path()), IsOk());
  EXPECT_THAT(AllOf(home_.path()), IsEmpty());
}

// The creator replaces a region that is no longer sound.
TEST_P(KilledCreatorTest, ReplacedRegionLeavesNothing) {
  ASSERT_THAT(OpenAndLeave(), IsOk());
  LoseMemory();
  ASSERT_EQ(KilledWhile([&] { return OpenAndLeave(); }), test::kKilled);
  EXPECT_NE(OpenAndCheck(), nullptr);
}

// The kernel drops the locks of a dying process late.
class DyingCreatorTest : public KilledCreatorTest {
 protected:
  ~DyingCreatorTest() override { os::Sys() = os::RealSyscalls(); }
  static inline int still_locked;

  // The first probes find the lock of slot 1.
  static void KeepLocked() {
    still_locked = 5;
    os::Sys().fcntl_lock = [](int fd, int command, struct flock* lock) {
      const off_t first = lock->l_start;
      const int result = os::RealSyscalls().fcntl_lock(fd, command, lock);
      if (command == F_OFD_GETLK && first == 1 && still_locked-- > 0) {
        lock->l_type = F_WRLCK;
        lock->l_start = 1;
        lock->l_len = 1;
      }
      return result;
    };
  }
};
INSTANTIATE_TEST_SUITE_P(Step, DyingCreatorTest,
                         ::testing::Values("region.create.format",
                                           "region.create.whole"),
                         StepTestName);

TEST_P(DyingCreatorTest, HomeIsRecreatedAfterWait) {
  ASSERT_EQ(KilledWhile([&] { return OpenAndLeave(); }), test::kKilled);
  KeepLocked();
  auto here = Open();
  ASSERT_THAT(here, IsOk());
  EXPECT_EQ((*here)->region().attached(), Attached::kCreated);
  EXPECT_LT(still_locked, 0);
}

// A joiner finds the slot of a dying adopter locked.
class DyingAdopterTest : public DyingCreatorTest {};
INSTANTIATE_TEST_SUITE_P(Step, DyingAdopterTest,
                         ::testing::Values("region.adopt.ledgers",
                                           "region.adopt.tenant",
                                           "region.adopt.slots"),
                         StepTestName);

TEST_P(DyingAdopterTest, IsWaitedForAndAnotherAdopts) {
  ASSERT_THAT(OpenAndLeave(), IsOk());
  ASSERT_EQ(KilledWhile([&] { return OpenAndLeave(); }), test::kKilled);
  KeepLocked();
  auto here = Open();
  ASSERT_THAT(here, IsOk());
  EXPECT_EQ((*here)->region().attached(), Attached::kAdopted);
  EXPECT_LT(still_locked, 0);
}

using KilledJoinerTest = KillTest;
INSTANTIATE_TEST_SUITE_P(Step, KilledJoinerTest,
                         ::testing::ValuesIn(StepNames("region.join.")),
                         StepTestName);

TEST_P(KilledJoinerTest, IsRepairedByThoseInside) {
  auto here = *Open();
  ASSERT_EQ(KilledWhile([&] { return OpenAndLeave(); }), test::kKilled);
  here->Repair();
  ExpectAlone(*here);
  ASSERT_EQ(test::InChild([&] { return OpenAndLeave().ToString(); }), "OK");
  ExpectAlone(*here);
}

TEST_P(KilledJoinerTest, NextAdopterRepairsIt) {
  ASSERT_THAT(OpenAndLeave(), IsOk());
  ASSERT_EQ(KilledWhile([&] { return OpenAndLeave(); }), test::kKilled);
  auto here = OpenAndCheck();
  ASSERT_NE(here, nullptr);
  EXPECT_EQ(here->region().attached(), Attached::kAdopted);
}

// A process with a thread that unregisters with a pin, resumes, releases the
// pin and unregisters again.
class KilledLeaverTest : public KillTest {
 protected:
  absl::Status UseThread() {
    MPOOL_ASSIGN_OR_RETURN(auto there, Open());
    Region& region = there->region();
    MPOOL_ASSIGN_OR_RETURN(const Thread thread,
                           region.members().RegisterThread());
    thread.slot->used.store(1);
    thread.slot->entries[0].store(5);
    const std::optional<uint64_t> leaving =
        region.members().UnregisterThread(thread);
    if (!leaving.has_value() ||
        !region.members().ResumeThread(thread, *leaving)) {
      return absl::InternalError("a pin did not keep the thread's slot");
    }
    thread.slot->entries[0].store(0);
    region.members().UnregisterThread(thread);
    return there->Leave();
  }
};
INSTANTIATE_TEST_SUITE_P(Leave, KilledLeaverTest,
                         ::testing::ValuesIn(StepNames("region.leave.")),
                         StepTestName);
INSTANTIATE_TEST_SUITE_P(Thread, KilledLeaverTest,
                         ::testing::ValuesIn(StepNames("region.thread.")),
                         StepTestName);

TEST_P(KilledLeaverTest, IsRepairedByThoseInside) {
  auto here = *Open();
  ASSERT_EQ(KilledWhile([&] { return UseThread(); }), test::kKilled);
  here->Repair();
  ExpectAlone(*here);
}

TEST_P(KilledLeaverTest, NextAdopterRepairsIt) {
  ASSERT_EQ(KilledWhile([&] { return UseThread(); }), test::kKilled);
  auto here = OpenAndCheck();
  ASSERT_NE(here, nullptr);
  EXPECT_EQ(here->region().attached(), Attached::kAdopted);
}

using KilledSuccessorTest = KillTest;
INSTANTIATE_TEST_SUITE_P(Step, KilledSuccessorTest,
                         ::testing::ValuesIn(StepNames("region.succeed.")),
                         StepTestName);

TEST_P(KilledSuccessorTest, IsSucceededByTheNext) {
  std::vector<std::unique_ptr<Attachment>> all;
  while (all.size() < kMaxProcesses) {
    all.push_back(*Open());
  }
  all.clear();  // they died
  ASSERT_EQ(KilledWhile([&] { return OpenAndLeave(); }), test::kKilled);
  EXPECT_NE(OpenAndCheck(), nullptr);
}

using KilledRemoverTest = KillTest;
INSTANTIATE_TEST_SUITE_P(Step, KilledRemoverTest,
                         ::testing::ValuesIn(StepNames("region.remove.")),
                         StepTestName);

TEST_P(KilledRemoverTest, HomeOpensAfterDeath) {
  ASSERT_THAT(OpenAndLeave(), IsOk());
  ASSERT_EQ(KilledWhile([&] { return RemoveRegion(home_.path()); }),
            test::kKilled);
  EXPECT_NE(OpenAndCheck(), nullptr);
}

TEST_P(KilledRemoverTest, HomeIsRemovableAfterDeath) {
  ASSERT_THAT(OpenAndLeave(), IsOk());
  ASSERT_EQ(KilledWhile([&] { return RemoveRegion(home_.path()); }),
            test::kKilled);
  EXPECT_THAT(RemoveRegion(home_.path()), IsOk());
  EXPECT_THAT(AllOf(home_.path()), IsEmpty());
}

using KilledAllocatorTest = KillTest;
INSTANTIATE_TEST_SUITE_P(Heap, KilledAllocatorTest,
                         ::testing::ValuesIn(StepNames("region.heap.")),
                         StepTestName);
INSTANTIATE_TEST_SUITE_P(Latch, KilledAllocatorTest,
                         ::testing::ValuesIn(StepNames("region.latch.")),
                         StepTestName);
INSTANTIATE_TEST_SUITE_P(Grow, KilledAllocatorTest,
                         ::testing::ValuesIn(StepNames("region.grow.")),
                         StepTestName);

TEST_P(KilledAllocatorTest, HeapStaysWholeAfterDeath) {
  auto here = *Open();
  const HeapStats before = here->heap().Stats(here->self());
  ASSERT_EQ(
      KilledWhile([&]() -> absl::Status {
        MPOOL_ASSIGN_OR_RETURN(auto there, Open());
        Shalloc& heap = there->heap();
        const Thread self = there->self();
        // Split a chunk, merge with both neighbours, take a whole chunk, grow.
        MPOOL_ASSIGN_OR_RETURN(const uint64_t high,
                               heap.Allocate(self, 256, 16));
        MPOOL_ASSIGN_OR_RETURN(const uint64_t low,
                               heap.Allocate(self, 256, 16));
        MPOOL_RETURN_IF_ERROR(heap.Free(self, high));
        MPOOL_RETURN_IF_ERROR(heap.Free(self, low));
        const uint64_t all = heap.Stats(self).largest_free_bytes - 16;
        MPOOL_RETURN_IF_ERROR(heap.Allocate(self, all, 16).status());
        std::atomic<uint64_t>& place = there->root().places[0];
        MPOOL_RETURN_IF_ERROR(
            heap.AllocateLinked(self, kTestBytes, 16, &place).status());
        heap.FreeLinked(self, &place, 0);
        return absl::OkStatus();
      }),
      test::kKilled);
  here->Repair();
  ExpectAlone(*here);
  const HeapStats after = here->heap().Stats(here->self());
  if (const uint64_t linked = here->root().places[0].load(); linked != 0) {
    EXPECT_EQ(here->heap().SizeOf(linked), kTestBytes);
    EXPECT_THAT(here->heap().Free(here->self(), linked), IsOk());
  } else {
    EXPECT_EQ(after.used_bytes, before.used_bytes);
  }
}

using KilledReplacerTest = KillTest;
INSTANTIATE_TEST_SUITE_P(
    Heap, KilledReplacerTest,
    ::testing::Values("region.heap.link", "region.heap.linked",
                      "region.heap.tagged", "region.heap.settled"),
    StepTestName);

TEST_P(KilledReplacerTest, OldOrNewChunkRemainsAfterDeath) {
  // The first tag store tags the old chunk. The last clears the new one's tag.
  const uint64_t hits = GetParam() == "region.heap.tagged" ? 2 : 1;
  for (uint64_t hit = 1; hit <= hits; ++hit) {
    auto here = *Open();
    std::atomic<uint64_t>& place = here->root().places[0];
    ASSERT_THAT(
        here->heap().AllocateLinked(here->self(), kTestBytes, 16, &place),
        IsOk());
    const HeapStats before = here->heap().Stats(here->self());
    ASSERT_EQ(KilledWhile(
                  [&]() -> absl::Status {
                    MPOOL_ASSIGN_OR_RETURN(auto there,
                                           Open());
                    std::atomic<uint64_t>& old = there->root().places[0];
                    return there->heap()
                        .AllocateLinked(there->self(), kTestBytes, 16, &old,
                                        nullptr, old.load())
                        .status();
                  },
                  hit),
              test::kKilled);
    here->Repair();
    EXPECT_EQ(here->heap().SizeOf(place.load()), kTestBytes);
    EXPECT_EQ(here->heap().Stats(here->self()).used_bytes, before.used_bytes);
    ASSERT_THAT(here->heap().Free(here->self(), place.load()), IsOk());
  }
}

// A process dies with latches, two pins, a thread slot and an unlinked chunk.
// Then its repairer dies.
class KilledRepairerTest : public KillTest {
 protected:
  std::string Victim() {
    return test::InChild([&]() -> std::string {
      auto there = *Open();
      const Thread thread = *there->region().members().RegisterThread();
      thread.slot->used.store(2);
      thread.slot->entries[0].store(11);
      thread.slot->entries[1].store(12);
      there->root().latches[0].Lock(thread);
      there->region().memory().header()->block_latch.Lock(thread);
      if (!there->heap().Allocate(thread, 128, 16).ok()) return "no room";
      there->region().memory().header()->heap_latch.Lock(thread);
      return "died";
    });
  }
  void ExpectMended(Attachment& here, uint32_t used_before) {
    ExpectAlone(here);
    EXPECT_EQ(here.root().latches[0].owner(), 0u);
    EXPECT_EQ(here.region().memory().header()->block_latch.owner(), 0u);
    EXPECT_EQ(here.region().memory().header()->heap_latch.owner(), 0u);
    // The chunk is free. The block of thread slots stays allocated.
    EXPECT_EQ(here.heap().Stats(here.self()).used_chunks, used_before + 1);
    uint32_t entries = 0;
    here.region().members().ForEachSlot([&](ThreadSlot& slot) {
      here.region().members().ForEachEntry(slot,
                                           [&](std::atomic<uint64_t>& entry) {
                                             if (entry.load() != 0) ++entries;
                                           });
    });
    EXPECT_EQ(entries, 0u);
    EXPECT_TRUE(here.Repair().processes.empty());
  }
};
INSTANTIATE_TEST_SUITE_P(Step, KilledRepairerTest,
                         ::testing::ValuesIn(StepNames("region.repair.")),
                         StepTestName);

INSTANTIATE_TEST_SUITE_P(Part, KilledRepairerTest,
                         ::testing::ValuesIn(StepNames("region.mend.")),
                         StepTestName);

TEST_P(KilledRepairerTest, ThirdProcessFinishesRepair) {
  auto here = *Open();
  const uint32_t used_before = here->heap().Stats(here->self()).used_chunks;
  ASSERT_EQ(Victim(), "died");
  ASSERT_EQ(KilledWhile([&]() -> absl::Status {
              MPOOL_ASSIGN_OR_RETURN(auto there,
                                     Open());
              there->Repair();
              return there->Leave();
            }),
            test::kKilled);
  here->Repair();
  ExpectMended(*here, used_before);
}

// A claim is not valid if a new process has the repairer's slot.
using ReusedSlotTest = KilledRepairerTest;
INSTANTIATE_TEST_SUITE_P(Step, ReusedSlotTest,
                         ::testing::Values("region.repair.claimed"),
                         StepTestName);

TEST_P(ReusedSlotTest, FormerProcesssClaimIsVoid) {
  auto here = *Open();
  ASSERT_EQ(test::InChild([&]() -> std::string {
              return Open().ok() ? "died" : "not in";
            }),
            "died");
  ASSERT_EQ(KilledWhile([&]() -> absl::Status {
              MPOOL_ASSIGN_OR_RETURN(auto there,
                                     Open());
              there->Repair();
              return there->Leave();
            }),
            test::kKilled);
  ASSERT_THAT(here->ProcessSlots(), ElementsAre(1, 2, 3));
  here->region().repairer().RepairIfDead(3, here->self().id);
  ASSERT_THAT(here->ProcessSlots(), ElementsAre(1, 2));
  auto newcomer = *Open();
  ASSERT_EQ(newcomer->region().members().process(), 3u);
  const RepairReport report = here->Repair();
  ASSERT_EQ(report.processes.size(), 1u);
  EXPECT_EQ(report.processes[0].slot, 2u);
  EXPECT_THAT(here->ProcessSlots(), ElementsAre(1, 3));
}

using KilledAdopterTest = KilledRepairerTest;
INSTANTIATE_TEST_SUITE_P(Step, KilledAdopterTest,
                         ::testing::ValuesIn(StepNames("region.adopt.")),
                         StepTestName);

TEST_P(KilledAdopterTest, NextAdopterStartsAgain) {
  uint32_t used_before = 0;
  {
    auto first = *Open();
    used_before = first->heap().Stats(first->self()).used_chunks;
    ASSERT_THAT(first->Leave(), IsOk());
  }
  ASSERT_EQ(Victim(), "died");
  ASSERT_EQ(KilledWhile([&] { return OpenAndLeave(); }), test::kKilled);
  auto here = *Open();
  EXPECT_EQ(here->region().attached(), Attached::kAdopted);
  EXPECT_EQ(here->region().memory().header()->adoptions.load(),
            GetParam() == "region.adopt.done" ? 3u : 2u);
  ExpectMended(*here, used_before);
}

}  // namespace
}  // namespace mpool::region
