// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// death_test.cc - the pages that a process held when it was killed, and the
// threads that wait for these pages.

#include <sys/wait.h>

#include "absl/strings/str_cat.h"
#include "os/step.h"
#include "tests/pool/kill_scenes.h"
#include "tests/support/backings.h"
#include "tests/support/policies.h"

namespace mpool::pooltest {
namespace {

using ::testing::HasSubstr;

class DeathTest : public os::SyscallTest,
                  public ::testing::WithParamInterface<Policy> {
 protected:
  DeathTest() { WithoutFsync(); }

  // Runs a process that works, holds pages by `take`, and is killed.
  pid_t KillOneThat(const Scene& scene,
                    const std::function<void(Worker&)>& take) {
    os::Shared board;
    os::Child victim([&] {
      Watchdog(60);
      Worker worker(scene, Seed(), 0);
      worker.Open();
      take(worker);
      Must(absl::InternalError("was not killed"), "victim");
    });
    const pid_t pid = victim.pid();
    const int status = victim.Wait();
    EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << status;
    return pid;
  }

  void ExpectAllGoOn(const std::function<void(Worker&)>& take) {
    for (uint64_t round = 0; round < Rounds(4); ++round) {
      SCOPED_TRACE(absl::StrCat("MPOOL_SEED=", Seed(), " round ", round));
      const Scene scene(GetParam(),
                        test::ForkedBackingFor(test::TestName(), round));
      auto survivor = std::make_unique<Survivor>(
          scene,
          round % 2 == 0 ? Survivor::Until::kIdle : Survivor::Until::kBusy,
          Seed() + round, round % 4 < 2);
      KillOneThat(scene, take);
      ASSERT_EQ(GoOn(scene, std::move(survivor), Seed()), "");
    }
  }
};

void Die() { ::kill(::getpid(), SIGKILL); }

// Returns a held page with an older version on disk and a newer one in memory.
WritePage HoldDirty(const Scene& scene, Worker& worker, PageNo page) {
  worker.Update(kA, page);
  scene.held(0).store(Scene::HeldWord(kA, page));
  return Must(worker.file(kA).GetForUpdate(page), "hold");
}

TEST_P(DeathTest, AnIdleProcessLeavesNothing) {
  ExpectAllGoOn([](Worker& worker) {
    worker.DoEverything();
    Die();
  });
}

#ifdef MPOOL_STEPS
// Repair must not restore a page that no slot names. A get that read the slot
// earlier would mistake it for the page that another frame now holds.
TEST_P(DeathTest, DeadEvictorLeavesNoUnnamedPage) {
  const Scene scene(GetParam(), test::SharedBackingFor(test::TestName()));
  Worker survivor(scene, Seed(), 1);
  survivor.Open();
  KillOneThat(scene, [](Worker& worker) {
    os::KillAtStep("mpool.evict.free", 1);
    worker.DoEverything();
  });
  Must(survivor.env().FailCheck(), "repair");
  Insides insides(scene.home());
  EXPECT_EQ(AtRest(insides.pool()), "");
}
#endif

TEST_P(DeathTest, PinsGoWithTheirProcess) {
  ExpectAllGoOn([](Worker& worker) {
    std::vector<ReadPage> held;
    for (PageNo page = 0; page < 100; ++page) {
      held.push_back(Must(worker.file(kB).Get(page), "pin"));
    }
    held.push_back(Must(
        worker.file(kA).Get(0, {.latch = Latch::kNone}), "pin only"));
    Die();
  });
}

TEST_P(DeathTest, CleanPageBeingChangedIsReadAgain) {
  ExpectAllGoOn([](Worker& worker) {
    const PageNo page = 30;  // no other process makes it dirty
    worker.Update(kA, page);
    Must(worker.file(kA).Sync(), "sync");
    WritePage held = Must(worker.file(kA).GetForUpdate(page), "hold");
    Fill(held.data(), kC, 7, 999);
    Die();
  });
}

TEST_P(DeathTest, DirtyPageBeingChangedIsLost) {
  const Scene scene(GetParam(), test::SharedBackingFor(test::TestName()));
  Worker survivor(scene, Seed(), 1);
  const pid_t dead = [&] {
    return KillOneThat(scene, [&](Worker& worker) {
      const WritePage held = HoldDirty(scene, worker, 3);
      Fill(held.data(), kC, 7, 999);
      Die();
    });
  }();
  survivor.Open();
  MPoolFile& file = survivor.file(kA);
  for (const absl::Status& status :
       {file.Get(3).status(), file.GetForUpdate(3).status(), file.Sync(),
        survivor.env().Sync()}) {
    EXPECT_TRUE(absl::IsDataLoss(status)) << status;
    EXPECT_THAT(os::Message(status), HasSubstr("page 3 of"));
    EXPECT_THAT(os::Message(status),
                HasSubstr(absl::StrCat("process ", dead)));
  }
  EXPECT_EQ(survivor.env().Stats().frames_poisoned, 1u);
  EXPECT_EQ(survivor.VerifyAll(), "");
  EXPECT_EQ(survivor.env().Stats().frames_poisoned, 0u);
  survivor.Close();
  EXPECT_EQ(scene.CheckFiles(), "");
}

TEST_P(DeathTest, OverwriteHealsLostPage) {
  for (uint64_t round = 0; round < Rounds(4); ++round) {
    const Scene scene(GetParam(), test::SharedBackingFor(test::TestName()));
    auto survivor = std::make_unique<Survivor>(scene, Survivor::Until::kBusy,
                                               Seed() + round, false);
    KillOneThat(scene, [&](Worker& worker) {
      const WritePage held = HoldDirty(scene, worker, 3);
      Fill(held.data(), kC, 7, 999);
      Die();
    });
    ASSERT_EQ(GoOn(scene, std::move(survivor), Seed()), "");
  }
}

TEST_P(DeathTest, DeadOverwriterLeavesPageLost) {
  const Scene scene(GetParam(), test::SharedBackingFor(test::TestName()));
  KillOneThat(scene, [&](Worker& worker) {
    const WritePage held = HoldDirty(scene, worker, 3);
    Die();
  });
  KillOneThat(scene, [&](Worker& worker) {
    const WritePage anew =
        Must(worker.file(kA).GetForUpdate(3, {.create = true}), "anew");
    Die();
  });
  Worker survivor(scene, Seed(), 1);
  survivor.Open();
  const absl::Status status = survivor.file(kA).Get(3).status();
  EXPECT_TRUE(absl::IsDataLoss(status)) << status;
  EXPECT_EQ(survivor.VerifyAll(), "");
  survivor.Close();
  EXPECT_EQ(scene.CheckFiles(), "");
}

TEST_P(DeathTest, DiscardedOverwriteClearsLostPage) {
  const Scene scene(GetParam(), test::SharedBackingFor(test::TestName()));
  KillOneThat(scene, [&](Worker& worker) {
    const WritePage held = HoldDirty(scene, worker, 3);
    Die();
  });
  Worker survivor(scene, Seed(), 1);
  survivor.Open();
  Must(survivor.file(kA).GetForUpdate(3, {.create = true}), "anew").Discard();
  survivor.Scan(kC);
  for (PageNo page = 4; page < kPageCount[kA]; ++page) {
    survivor.ReadOne(kA, page);
    survivor.ReadOne(kA, page);
  }
  const ReadPage again = Must(survivor.file(kA).Get(3), "get");
  EXPECT_EQ(Read(again.data(), kA, 3).value_or(99), 0u)
      << "what the file had before came back";
}

TEST_P(DeathTest, SyncMeetsTheDeathItself) {
  const Scene scene(GetParam(), test::SharedBackingFor(test::TestName()));
  auto survivor = std::make_unique<Survivor>(scene, Survivor::Until::kIdle,
                                             Seed(), false);
  // Attach before the death, so that no process has repaired it yet.
  os::Shared board;
  os::Child witness([&] {
    Watchdog(60);
    Worker worker(scene, Seed(), 2);
    worker.Open();
    board.Set(0);
    board.Await(1);
    const absl::Status status = worker.file(kA).Sync();
    status.ToString().copy(board.text(), os::Shared::kTextBytes - 1);
    worker.VerifyAll();
    worker.Close();
  });
  board.Await(0);
  KillOneThat(scene, [&](Worker& worker) {
    const WritePage held = HoldDirty(scene, worker, 3);
    Die();
  });
  board.Set(1);
  EXPECT_EQ(witness.Wait(), 0);
  EXPECT_THAT(std::string(board.text()), HasSubstr("DATA_LOSS"));
  EXPECT_EQ(GoOn(scene, std::move(survivor), Seed()), "");
}

TEST_P(DeathTest, GetWithoutWaitRepairsDead) {
  const Scene scene(GetParam(), test::SharedBackingFor(test::TestName()));
  os::Shared board;
  os::Child holder([&] {
    Watchdog(60);
    board.Await(0);
    Worker worker(scene, Seed(), 0);
    worker.Open();
    const ReadPage read = Must(worker.file(kB).Get(3), "read");
    const WritePage changed = Must(worker.file(kB).GetForUpdate(4), "change");
    board.Set(1);
    while (true) ::pause();
  });
  Worker survivor(scene, Seed(), 1);
  survivor.Open();
  board.Set(0);
  board.Await(1);
  const GetOptions at_once{.wait = absl::ZeroDuration()};
  for (const PageNo page : {PageNo{3}, PageNo{4}}) {
    const absl::Status held =
        survivor.file(kB).GetForUpdate(page, at_once).status();
    EXPECT_TRUE(absl::IsDeadlineExceeded(held)) << held;
    EXPECT_THAT(os::Message(held),
                HasSubstr(absl::StrCat("process ", holder.pid())));
  }
  holder.Kill();
  for (const PageNo page : {PageNo{3}, PageNo{4}}) {
    Must(survivor.file(kB).GetForUpdate(page, at_once), "get").Discard();
  }
  EXPECT_EQ(survivor.VerifyAll(), "");
  survivor.Close();
}

TEST_P(DeathTest, AStoppedHolderKeepsItsPage) {
  const Scene scene(GetParam(), test::SharedBackingFor(test::TestName()));
  os::Shared board;
  os::Child holder([&] {
    Watchdog(300);
    Worker worker(scene, Seed(), 0);
    worker.Open();
    WritePage page = Must(worker.file(kA).GetForUpdate(3), "hold");
    const uint64_t version = scene.table().at(kA, 3).started.load() + 1;
    scene.table().at(kA, 3).started.store(version);
    board.Set(0);
    board.Await(1);
    Fill(page.data(), kA, 3, version);
    page.Put();
    scene.table().Returned(kA, 3, version);
    worker.Close();
  });
  board.Await(0);
  const uint64_t held = scene.table().at(kA, 3).started.load();
  ::kill(holder.pid(), SIGSTOP);
  int status = 0;
  ASSERT_EQ(::waitpid(holder.pid(), &status, WUNTRACED), holder.pid());
  Worker waiter(scene, Seed(), 1);
  waiter.Open();
  // MPOOL_ROUNDS=70 makes the three waits last more than a minute.
  const GetOptions patience{.wait = absl::Milliseconds(300 * Rounds(1))};
  SyncOptions sync;
  sync.wait = patience.wait;
  for (const absl::Status& refused :
       {waiter.file(kA).Get(3, patience).status(),
        waiter.file(kA).GetForUpdate(3, patience).status(),
        waiter.env().Sync(sync)}) {
    EXPECT_TRUE(absl::IsDeadlineExceeded(refused)) << refused;
    EXPECT_THAT(os::Message(refused),
                HasSubstr(absl::StrCat("process ", holder.pid())));
  }
  EXPECT_THAT(Must(waiter.env().FailCheck(), "check").processes,
              ::testing::IsEmpty());
  ::kill(holder.pid(), SIGCONT);
  board.Set(1);
  EXPECT_EQ(holder.Wait(), 0);
  EXPECT_EQ(scene.table().at(kA, 3).put.load(), held);
  EXPECT_EQ(waiter.VerifyAll(), "");
  waiter.Close();
  EXPECT_EQ(scene.CheckFiles(), "");
}

// Two processes: one holds a page while the other is killed in the middle of
// acquiring it for update.
class HeldPageTest : public DeathTest {
 protected:
  static constexpr PageNo kPage = 30;  // no other process makes it dirty

  // Checks that the page stays held with `latch` after the death of a process
  // that wanted it and reached the state `reached`. All other pages pass
  // through the cache.
  void ExpectItStays(Latch latch,
                     const std::function<bool(internal::State)>& reached) {
    const Scene scene(GetParam(), test::SharedBackingFor(test::TestName()));
    os::Shared board;
    os::Child victim([&] {
      Watchdog(60);
      Worker worker(scene, Seed(), 0);
      board.Await(0);
      worker.Open();
      const WritePage page = Must(worker.file(kA).GetForUpdate(kPage), "want");
      Fill(page.data(), kC, 7, 999);
      board.Set(1);
      while (true) ::pause();
    });
    Worker survivor(scene, Seed(), 1);
    survivor.Open();
    // Before A fills the rest of the cache.
    survivor.Scan(kB);
    survivor.Scan(kC);
    ReadPage held =
        Must(survivor.file(kA).Get(kPage, {.latch = latch}), "hold");
    board.Set(0);
    while (!AnyFrame(scene, reached)) ::usleep(1000);
    if (latch == Latch::kNone) board.Await(1);
    victim.Kill();
    const std::vector<std::byte> before(held.data().begin(),
                                        held.data().end());
    Must(survivor.env().FailCheck(), "repair");
    const uint64_t evicted = survivor.env().Stats().evictions;
    for (int round = 0; round < 3; ++round) {
      for (PageNo page = 0; page < kPageCount[kA]; ++page) {
        if (page != kPage) survivor.ReadOne(kA, page);
      }
    }
    EXPECT_GT(survivor.env().Stats().evictions - evicted, kPageCount[kA]);
    EXPECT_TRUE(std::equal(before.begin(), before.end(), held.data().begin()))
        << "the frame was given to another page";
    survivor.ReadOne(kA, kPage);  // perhaps in another frame
    held.Put();
    EXPECT_EQ(survivor.VerifyAll(), "");
    EXPECT_EQ(survivor.HoldEveryFrame(), "");
    survivor.Close();
    EXPECT_EQ(scene.CheckFiles(), "");
  }

 private:
  static bool AnyFrame(const Scene& scene,
                       const std::function<bool(internal::State)>& is_so) {
    Insides insides(scene.home());
    bool found = false;
    insides.pool().frames().ForEachHeader([&](internal::BufferHeader& header) {
      found = found || is_so(header.Load());
    });
    return found;
  }
};

TEST_P(HeldPageTest, ReaderKeepsPageWhenWriterDies) {
  ExpectItStays(Latch::kShared, [](internal::State s) {
    return s.has(internal::State::kXPending);
  });
}

TEST_P(HeldPageTest, OrphanedPinHoldsPageUntilPut) {
  ExpectItStays(Latch::kNone, [](internal::State s) {
    return s.has(internal::State::kX);
  });
}

INSTANTIATE_TEST_SUITE_P(Policies, HeldPageTest,
                         test::EveryPolicy(), test::PolicyParam);

TEST_P(DeathTest, PagesSurviveAllProcesses) {
  const Scene scene(GetParam(), test::SharedBackingFor(test::TestName()));
  for (uint64_t round = 0; round < Rounds(4); ++round) {
    KillOneThat(scene, [](Worker& worker) {
      worker.DoEverything();
      Die();
    });
  }
  Worker joiner(scene, Seed(), 1);
  joiner.Open();
  EXPECT_EQ(joiner.VerifyAll(), "");
  joiner.Close();
  EXPECT_EQ(scene.CheckFiles(), "");
}

INSTANTIATE_TEST_SUITE_P(Policies, DeathTest,
                         test::EveryPolicy(), test::PolicyParam);

}  // namespace
}  // namespace mpool::pooltest
