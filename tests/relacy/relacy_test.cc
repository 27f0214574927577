// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// relacy_test.cc - the code of the latches under every value that the C++
// memory model lets a load have. The schedules are random, with few switches.
// Relacy finds races on the page's bytes, and sleepers that are never woken. It
// must find each planted mistake.
//
// A failure prints the iteration; MPOOL_SEED=ITERATION replays it.

#include <array>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <ostream>
#include <streambuf>
#include <string>

#include "gtest/gtest.h"
#include "tests/relacy/platform.h"

namespace mpool::relacy_test {
namespace {

using internal::Enter;
using internal::Mode;
using internal::PageKey;
using internal::Phase;
using internal::State;

constexpr PageKey kPage(1);
constexpr PageKey kOtherPage(2);

// One frame and the operations of its users, as in the pool.
struct Frame {
  using Platform = PagePlatform;
  using Entry = Platform::Word;

  explicit Frame(bool fence_at_put)
      : latch(Platform{entries, fence_at_put}) {
    header.state.store(static_cast<uint64_t>(Phase::kValid) | State::kHint,
                       std::memory_order_relaxed);
    header.key.store(kPage.bits(), std::memory_order_relaxed);
    bytes(RL_INFO) = 0;
    place(RL_INFO) = kPage.bits();
  }

  void Publish(int entry, Mode mode) {
    internal::PublishEntry(&entries[entry], kFrame, mode);
  }
  void Put(int entry) { latch.Withdraw(header, &entries[entry]); }

  // Reads the data that a holder of the mode may rely on.
  void Look(Mode mode) {
    RL_ASSERT(static_cast<uint64_t>(place(RL_INFO)) == kPage.bits());
    if (mode == Mode::kShared) (void)static_cast<int>(bytes(RL_INFO));
  }

  void WaitForOwner(uint32_t self) {
    const State seen = header.Load();
    if (!seen.is_owned() || !internal::KeyIs(header, kPage)) return;
    latch.WaitForChange(self, header, seen, 0, {});
  }

  // Does Getter::TryHit and Getter::EnterShared.
  void Get(int entry, Mode mode) {
    Publish(entry, mode);
    if (planted == Bug::kHitUnseen || !internal::NeedsSlowPath(header, kPage)) {
      Look(mode);
      Put(entry);
      return;
    }
    Put(entry);
    while (true) {
      Publish(entry, mode);
      const Enter entered = latch.TryShared(header, kPage, false);
      if (entered == Enter::kGranted) Look(mode);
      Put(entry);
      if (entered != Enter::kBusy) return;
      WaitForOwner(static_cast<uint32_t>(entry + 1));
    }
  }

  // Does Getter::EnterExclusive and PutExclusive. Returns false at the
  // deadline.
  bool Update(int entry, Deadline deadline) {
    const auto self = static_cast<uint32_t>(entry + 1);
    while (true) {
      Publish(entry, Mode::kExclusive);
      bool had_hint = false;
      const Enter entered =
          latch.TryPending(self, header, kPage, &had_hint);
      if (entered == Enter::kGranted) {
        const bool taken = !latch.DrainReaders(self, header, &entries[entry],
                                               had_hint, deadline)
                                .has_value();
        if (taken) {
          bytes(RL_INFO) = entry;
          latch.ReleaseExclusive(header, true);
        }
        Put(entry);
        return taken;
      }
      Put(entry);
      if (entered != Enter::kBusy) return true;
      WaitForOwner(self);
    }
  }

  // Does Evictor::TryEvict, and Loader::Load of another page into the frame.
  void EvictAndLoad(uint32_t self) {
    // Acts as the end of a write-back does, also under XP: WriteBack::End.
    latch.ChangeAndWake(header,
                        [](State s) { return s.Without(State::kDirty); });
    State seen = header.Load();
    do {
      if (!seen.is_open() || seen.has(State::kDirty)) return;
    } while (!header.Change(&seen,
                            seen.WithPhase(Phase::kEvicting).WithOwner(self)));
    if (seen.has(State::kHint) &&
        latch.platform().FindOther(kFrame, nullptr, std::nullopt)) {
      latch.ChangeAndWake(header, [](State s) {
        return s.WithPhase(Phase::kValid).WithOwner(0);
      });
      return;
    }
    latch.ChangeAndWake(header, [](State s) {
      return State{s.NextVersion().bits & ~(State::kVersionOne - 1)};
    });
    seen = header.Load();
    header.Change(&seen, seen.WithPhase(Phase::kLoading).WithOwner(self));
    header.key.store(kOtherPage.bits(), std::memory_order_release);
    place(RL_INFO) = kOtherPage.bits();
    bytes(RL_INFO) = 0;
    latch.ChangeAndWake(header, [](State s) {
      return s.WithPhase(Phase::kValid).WithOwner(0).With(State::kHint);
    });
  }

  Entry entries[kEntries];
  Header header;
  rl::var<int> bytes;
  rl::var<uint64_t> place;  // the page that the frame holds
  internal::BasicPageLatch<Platform> latch;
};

// Readers, a writer and an evictor.
template <bool fence_at_put>
struct Users : rl::test_suite<Users<fence_at_put>, 3> {
  void thread(unsigned index) {
    if (index == 0) frame.Get(0, Mode::kShared);
    if (index == 1) frame.Update(1, {});
    if (index == 2) frame.EvictAndLoad(3);
  }
  Frame frame{fence_at_put};
};
using Barriers = Users<false>;
using Fences = Users<true>;

// A pin keeps the page in the frame, whatever writers do.
struct Pinners : rl::test_suite<Pinners, 3> {
  void thread(unsigned index) {
    if (index == 0) frame.Get(0, Mode::kPin);
    if (index == 1) frame.Update(1, {});
    if (index == 2) frame.EvictAndLoad(3);
  }
  Frame frame{false};
};

// A thread gets the page again, in an entry that a writer's scan may have
// passed, and puts the first entry.
struct Reentry : rl::test_suite<Reentry, 2> {
  void before() { frame.Publish(3, Mode::kShared); }
  void thread(unsigned index) {
    if (index == 1) {
      frame.Update(1, {});
      return;
    }
    frame.Publish(0, Mode::kShared);
    const Enter entered = frame.latch.TryShared(frame.header, kPage, true);
    RL_ASSERT(entered == Enter::kGranted);
    frame.Put(3);
    frame.Look(Mode::kShared);
    frame.Put(0);
  }
  Frame frame{false};
};

// A writer gives up while a reader holds the page. Then the evictor runs.
struct GivingUp : rl::test_suite<GivingUp, 3> {
  void before() { frame.Publish(0, Mode::kShared); }
  void thread(unsigned index) {
    if (index == 0) {
      frame.Look(Mode::kShared);
      frame.Put(0);
    }
    if (index == 1) frame.Update(1, {1});
    if (index == 2) frame.EvictAndLoad(3);
  }
  Frame frame{false};
};

// Threads that acquire region::Latch.
struct Lockers : rl::test_suite<Lockers, 3> {
  Lockers() { guarded(RL_INFO) = 0; }
  void thread(unsigned index) {
    const uint32_t self = index + 1;
    latch.Lock(self, *this);
    guarded(RL_INFO) = static_cast<int>(self);
    RL_ASSERT(latch.Unlock() == self);
  }
  bool RepairIfDead(uint32_t, uint32_t) { return false; }

  region::BasicLatch<LatchPlatform> latch;
  rl::var<int> guarded;
};

// One of two takers takes over a dead thread's latch and the guarded data.
struct Heirs : rl::test_suite<Heirs, 2> {
  Heirs() {
    guarded(RL_INFO) = 0;
    latch.Lock(9, *this);
  }
  void thread(unsigned index) {
    const uint32_t self = index + 1;
    if (!latch.TakeOver(9, self)) latch.Lock(self, *this);
    guarded(RL_INFO) = static_cast<int>(self);
    RL_ASSERT(latch.Unlock() == self);
  }
  bool RepairIfDead(uint32_t, uint32_t) { return false; }

  region::BasicLatch<LatchPlatform> latch;
  rl::var<int> guarded;
};

// Relacy counts allocations while it runs, so its report must not grow.
class Report : public std::streambuf {
 public:
  Report() { setp(text_.data(), text_.data() + text_.size()); }
  std::string text() const { return {pbase(), pptr()}; }

 private:
  std::array<char, 1 << 18> text_;
};

template <class Suite>
bool Holds(rl::scheduler_type_e scheduler, unsigned iterations,
           std::string* report) {
  auto buffer = std::make_unique<Report>();
  std::ostream out(buffer.get());
  rl::test_params params;
  params.output_stream = &out;
  params.progress_stream = &out;
  params.progress_output_period = 1000000;
  params.iteration_count = iterations;
  params.search_type = scheduler;
  params.context_bound = 3;
  params.execution_depth_limit = 5000;
  if (const char* seed = std::getenv("MPOOL_SEED")) {
    params.initial_state = seed;
  }
  const bool holds = rl::simulate<Suite>(params);
  *report = buffer->text();
  return holds;
}

template <class Suite>
void ExpectHolds() {
  std::string report;
  EXPECT_TRUE(Holds<Suite>(rl::sched_random, 1000, &report))
      << report;
  EXPECT_TRUE(Holds<Suite>(rl::sched_bound, 1000, &report))
      << report;
}

template <class Suite>
void ExpectFound(Bug bug) {
  planted = bug;
  std::string report;
  const bool found =
      !Holds<Suite>(rl::sched_random, 20000, &report) ||
      !Holds<Suite>(rl::sched_bound, 20000, &report);
  planted = Bug::kNone;
  EXPECT_TRUE(found);
  // The lines after the suite's name describe the error and its iteration.
  const size_t begin = report.find('\n') + 1;
  std::cout << report.substr(begin, report.find("\n\n") - begin) << "\n";
}

TEST(RelacyTest, PageUsersWithBarriersAreSafe) {
  ExpectHolds<Barriers>();
}
TEST(RelacyTest, PageUsersWithFencesAreSafe) { ExpectHolds<Fences>(); }
TEST(RelacyTest, PinsKeepThePage) { ExpectHolds<Pinners>(); }
TEST(RelacyTest, APageIsGotTwice) { ExpectHolds<Reentry>(); }
TEST(RelacyTest, AWriterGivesUp) { ExpectHolds<GivingUp>(); }
TEST(RelacyTest, RegionsLatch) { ExpectHolds<Lockers>(); }
TEST(RelacyTest, RegionsLatchIsTakenOverOnce) { ExpectHolds<Heirs>(); }

TEST(RelacyPlantedTest, PublishAcqRel) {
  ExpectFound<Barriers>(Bug::kPublishAcqRel);
}
TEST(RelacyPlantedTest, HitAcquire) {
  ExpectFound<Barriers>(Bug::kHitAcquire);
}
TEST(RelacyPlantedTest, HitUnseen) {
  ExpectFound<Barriers>(Bug::kHitUnseen);
}
TEST(RelacyPlantedTest, ScanAcquire) {
  ExpectFound<Barriers>(Bug::kScanAcquire);
}
TEST(RelacyPlantedTest, TakeAcqRel) {
  ExpectFound<Barriers>(Bug::kTakeAcqRel);
}
TEST(RelacyPlantedTest, PutRelaxed) {
  ExpectFound<Barriers>(Bug::kPutRelaxed);
}
TEST(RelacyPlantedTest, ReleaseRelaxed) {
  ExpectFound<Barriers>(Bug::kReleaseRelaxed);
}
TEST(RelacyPlantedTest, NoBarrier) {
  ExpectFound<Barriers>(Bug::kNoBarrier);
}
TEST(RelacyPlantedTest, PutUnfenced) {
  ExpectFound<Fences>(Bug::kPutUnfenced);
}
TEST(RelacyPlantedTest, NoWaiters) {
  ExpectFound<Barriers>(Bug::kNoWaiters);
}
TEST(RelacyPlantedTest, NoWake) { ExpectFound<Barriers>(Bug::kNoWake); }
TEST(RelacyPlantedTest, ReentryNoHint) {
  ExpectFound<Reentry>(Bug::kReentryNoHint);
}
TEST(RelacyPlantedTest, GiveUpNoHint) {
  ExpectFound<GivingUp>(Bug::kGiveUpNoHint);
}
TEST(RelacyPlantedTest, PinForgotten) {
  ExpectFound<Pinners>(Bug::kPinForgotten);
}
TEST(RelacyPlantedTest, ScanShared) {
  ExpectFound<Pinners>(Bug::kScanShared);
}
TEST(RelacyPlantedTest, LockRelaxed) {
  ExpectFound<Lockers>(Bug::kLockRelaxed);
}
TEST(RelacyPlantedTest, UnlockRelaxed) {
  ExpectFound<Lockers>(Bug::kUnlockRelaxed);
}
TEST(RelacyPlantedTest, LatchNoWake) { ExpectFound<Lockers>(Bug::kNoWake); }

}  // namespace
}  // namespace mpool::relacy_test
