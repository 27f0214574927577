// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// race_test.cc - many processes open one home at the same instant, with and
// without a death among them. MPOOL_ROUNDS sets the number of rounds.

#include <fcntl.h>
#include <linux/futex.h>
#include <signal.h>

#include <chrono>
#include <random>
#include <thread>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "os/clock.h"
#include "os/futex.h"
#include "tests/support/all_backings.h"
#include "tests/support/campaign.h"
#include "tests/support/child.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_home.h"
#include "tests/support/test_region.h"

namespace mpool::region {
namespace {

using test::AllOf;
using test::Channel;
using test::IsOk;
using test::TempHome;

constexpr uint32_t kRacers = 16;

struct Race {
  std::atomic<uint32_t> go;
  std::atomic<uint32_t> ready;
  std::atomic<uint32_t> created;
  std::atomic<uint32_t> joined;
  std::atomic<uint32_t> adopted;
  std::atomic<uint32_t> inside[kRacers];
  std::atomic<uint32_t> long_waits;   // waits with a limit above 50 ms
  std::atomic<uint32_t> gates;        // calls that wait for a lock
  std::atomic<uint64_t> creation;     // region of the first racer that opened
  std::atomic<uint32_t> strangers;    // racers in another region
  std::atomic<uint64_t> longest_us;
};
Race* race;

bool IsLong(const timespec* time) {
  return time == nullptr || time->tv_sec > 0 || time->tv_nsec > 50'000'000;
}

// Starts to count the waits of this process.
void CountWaits() {
  os::Sys().nanosleep = [](const timespec* time, timespec* rest) {
    if (IsLong(time)) ++race->long_waits;
    return os::RealSyscalls().nanosleep(time, rest);
  };
  os::Sys().futex = [](uint32_t* word, int op, uint32_t value,
                       const timespec* time) -> long {
    const bool waits = (op & FUTEX_CMD_MASK) == FUTEX_WAIT;
    if (waits && IsLong(time)) ++race->long_waits;
    return os::RealSyscalls().futex(word, op, value, time);
  };
  os::Sys().fcntl_lock = [](int fd, int command, struct flock* lock) {
    if (command == F_OFD_SETLKW) ++race->gates;
    return os::RealSyscalls().fcntl_lock(fd, command, lock);
  };
}

std::string OpenInRace(const std::string& home, Backing backing, uint32_t me,
                       Channel& parent) {
  ++race->ready;
  while (race->go.load() == 0) {
    os::FutexWait(&race->go, 0, absl::InfiniteDuration());
  }
  CountWaits();
  const auto begin = std::chrono::steady_clock::now();
  const auto here = Attachment::Open(home, TestOptions(backing));
  const uint64_t took = static_cast<uint64_t>(
      std::chrono::duration_cast<std::chrono::microseconds>(
          std::chrono::steady_clock::now() - begin)
          .count());
  if (!here.ok()) return here.status().ToString();
  uint64_t longest = race->longest_us.load();
  while (took > longest &&
         !race->longest_us.compare_exchange_weak(longest, took)) {
  }
  uint64_t creation = 0;
  std::memcpy(&creation, (*here)->region().memory().fixed().creation_id,
              sizeof(creation));
  uint64_t none = 0;
  if (!race->creation.compare_exchange_strong(none, creation) &&
      none != creation) {
    ++race->strangers;
  }
  const Attached how = (*here)->region().attached();
  ++(how == Attached::kCreated  ? race->created
     : how == Attached::kJoined ? race->joined
                                : race->adopted);
  race->inside[me] = 1;
  parent.Hear();  // no racer leaves before all have opened
  (*here)->Repair();
  return (*here)->Leave().ToString();
}

class RaceTest : public os::SyscallTest,
                 public ::testing::WithParamInterface<Backing> {
 protected:
  void Start(const std::string& home) {
    memory_ = std::make_unique<os::SharedMemory<Race>>();
    race = memory_->operator->();
    racers_.clear();
    for (uint32_t i = 0; i < kRacers; ++i) {
      racers_.push_back(std::make_unique<test::Child>([&, i](Channel& parent) {
        return OpenInRace(home, GetParam(), i, parent);
      }));
    }
    while (race->ready.load() < kRacers) std::this_thread::yield();
    race->go = 1;
    os::FutexWakeAll(&race->go);
  }
  void LeaveAll(size_t but = kRacers) {
    for (uint32_t i = 0; i < kRacers; ++i) {
      while (i != but && race->inside[i].load() == 0) {
        std::this_thread::yield();
      }
    }
    for (uint32_t i = 0; i < kRacers; ++i) {
      if (i != but) racers_[i]->Say("leave");
    }
    for (uint32_t i = 0; i < kRacers; ++i) {
      if (i == but) continue;
      ASSERT_EQ(racers_[i]->End(), "OK");
    }
  }
  void ExpectNothingAfterRemove(const std::string& home) {
    ASSERT_THAT(RemoveRegion(home), IsOk());
    ASSERT_THAT(AllOf(home), ::testing::IsEmpty());
  }

  std::unique_ptr<os::SharedMemory<Race>> memory_;
  std::vector<std::unique_ptr<test::Child>> racers_;
};
INSTANTIATE_TEST_SUITE_P(Shared, RaceTest,
                         ::testing::ValuesIn(os::kSharedBackings),
                         os::BackingText);

TEST_P(RaceTest, SixteenRacersCreateOneRegion) {
  uint64_t longest = 0;
  for (uint64_t round = 0; round < test::Rounds(10); ++round) {
    SCOPED_TRACE(absl::StrCat("round ", round));
    const TempHome home;
    Start(home.path());
    LeaveAll();
    ASSERT_EQ(race->created.load(), 1u);
    ASSERT_EQ(race->joined.load(), kRacers - 1);
    ASSERT_EQ(race->adopted.load(), 0u);
    ASSERT_EQ(race->strangers.load(), 0u);
    ASSERT_EQ(race->long_waits.load(), 0u);
    // One wait to open, one wait to leave.
    ASSERT_EQ(race->gates.load(), 2 * kRacers);
    longest = std::max(longest, race->longest_us.load());
    ExpectNothingAfterRemove(home.path());
  }
  RecordProperty("longest_open_us", std::to_string(longest));
}

TEST_P(RaceTest, RacersShareRegionDespiteDeath) {
  std::mt19937_64 random(test::Seed());
  for (uint64_t round = 0; round < test::Rounds(10); ++round) {
    SCOPED_TRACE(absl::StrCat("MPOOL_SEED=", test::Seed(), " round ", round));
    const TempHome home;
    Start(home.path());
    const size_t victim = random() % kRacers;
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 3000));
    ASSERT_EQ(racers_[victim]->Kill(), test::kKilled);
    LeaveAll(victim);
    // The dead racer may have created a region and left it whole.
    ASSERT_LE(race->created.load() + race->adopted.load(), 2u);
    ASSERT_EQ(race->strangers.load(), 0u);
    ASSERT_EQ(race->long_waits.load(), 0u);
    auto after = *Attachment::Open(home.path(), TestOptions(GetParam()));
    after->Repair();
    ASSERT_THAT(after->ProcessSlots(),
                ::testing::ElementsAre(after->region().members().process()));
    ASSERT_THAT(after->Leave(), IsOk());
    ExpectNothingAfterRemove(home.path());
  }
}

}  // namespace
}  // namespace mpool::region
