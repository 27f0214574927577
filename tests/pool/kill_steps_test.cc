// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// kill_steps_test.cc - SIGKILL at every step that stands in the sources, at its
// first passage, at its last and at one in between, under each policy.

#include <sys/wait.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "os/step.h"
#include "tests/pool/kill_scenes.h"
#include "tests/support/step_names.h"

namespace mpool::pooltest {
namespace {

constexpr int kNotReached = 3;

// Passages among which a random one is chosen. 1: a victim passes there once in
// its life, or once in the life of the region.
uint64_t Passages(const std::string& step) {
  for (const char* once :
       {".adopt.", "mpool.extent.", "region.create.", "region.remove.",
        "region.grow.", "region.heap.grow", "region.repair.ledgers",
        "region.repair.tenant",
        "region.repair.heap", "region.repair.freed", "region.repair.claim",
        "mpool.repair.buckets", "mpool.repair.frames", "mpool.repair.rings",
        "mpool.repair.dropping", "mpool.repair.unhashed",
        "mpool.repair.evicting", "mpool.repair.poisoned",
        "mpool.repair.unwrite", "mpool.repair.disowned",
        "mpool.repair.unpended", "mpool.repair.settled",
        "mpool.repair.unevicted", "mpool.repair.dropped"}) {
    if (absl::StrContains(step, once)) return 1;
  }
  for (const char* few : {"region.join.", "region.leave.", "mpool.file.",
                          "region.thread.", ".repair.", "mpool.sync.",
                          "mpool.latch.g", "mpool.hash.overflow"}) {
    if (absl::StrContains(step, few)) return 3;
  }
  return 12;
}

class KillStepsTest : public os::SyscallTest,
                      public ::testing::WithParamInterface<std::string> {
 protected:
  KillStepsTest() { WithoutFsync(); }
  ~KillStepsTest() override { os::ClearSteps(); }

  // The passage at which the victim dies. kRehearsal: it lives, and its
  // passages are counted.
  static constexpr uint64_t kRehearsal = 0;
  // How many lives a worker has. One, if its last passage is meant.
  static constexpr int kManyLives = 12;

  // Kills a process that runs `body` at the step.
  void KillOneThat(const std::function<void()>& body, uint64_t hit) {
    os::Child victim([&] {
      Watchdog(60);
      if (hit == kRehearsal) {
        os::CallAtStep(GetParam(), [this] { passed_->fetch_add(1); });
      } else {
        os::KillAtStep(GetParam(), hit);
      }
      body();
      ::_exit(kNotReached);
    });
    const int status = victim.Wait();
    reached_ = !WIFEXITED(status) || WEXITSTATUS(status) != kNotReached;
    ASSERT_TRUE(!reached_ || (WIFSIGNALED(status) &&
                              WTERMSIG(status) == SIGKILL))
        << "the victim ended with wait status " << status;
  }

  void Work(const Scene& scene, uint64_t seed) {
    const bool heap = absl::StartsWith(GetParam(), "region.heap.") ||
                      absl::StartsWith(GetParam(), "region.grow.");
    for (int life = 0; life < lives_; ++life) {
      Worker worker(scene, seed + static_cast<uint64_t>(life), 0);
      worker.Open();
      if (heap && (seed & 4) != 0) worker.UseHeap();
      worker.DoEverything();
      if (heap) worker.UseHeap();
      if (absl::StartsWith(GetParam(), "mpool.frame.free")) {
        worker.MissTogether();
      }
      worker.Close();
    }
  }

  std::unique_ptr<Survivor> Die(const Scene& scene, uint64_t seed,
                                uint64_t hit, bool busy, bool fail_check) {
    const std::string& step = GetParam();
    auto join = [&] {
      return std::make_unique<Survivor>(
          scene, busy ? Survivor::Until::kBusy : Survivor::Until::kIdle, seed,
          fail_check);
    };
    auto open = [&] { Worker(scene, seed, 0).Open(); };
    if (absl::StartsWith(step, "region.create.")) {
      KillOneThat(open, hit);
      return join();
    }
    if (absl::StartsWith(step, "region.remove.")) {
      busy = false;  // who dies at work may leave a page that is lost
      join()->Kill();
      KillOneThat([&] { Must(DbEnv::Remove(scene.home()), "remove"); }, hit);
      return join();
    }
    if (absl::StrContains(step, ".repair.") ||
        absl::StrContains(step, ".adopt.")) {
      busy = false;
      std::unique_ptr<Survivor> survivor = join();
      const bool evicting =
          (seed & 8) == 0 || absl::EndsWith(step, "evicting") ||
          absl::EndsWith(step, "unevicted");
      EXPECT_EQ(ManyRows(scene, evicting ? ManyRows::Kind::kEvicting
                                         : ManyRows::Kind::kCutting)
                    .Kill(),
                "");
      // Only a region that nobody is in is adopted.
      if (absl::StrContains(step, ".adopt.")) survivor->Kill();
      KillOneThat(open, hit);
      if (absl::StrContains(step, ".adopt.")) survivor = join();
      return survivor;
    }
    std::unique_ptr<Survivor> survivor = join();
    KillOneThat([&] { Work(scene, seed); }, hit);
    return survivor;
  }

  // One death, and what comes after it. False if the step was not reached.
  bool DieAndGoOn(uint64_t seed, uint64_t hit, bool lru, bool busy) {
    SCOPED_TRACE(absl::StrCat(GetParam(), ", passage ", hit));
    std::mt19937_64 random(seed);
    const Scene scene(lru ? Policy::kLru : Policy::kClock);
    std::unique_ptr<Survivor> survivor =
        Die(scene, random(), hit, busy, (random() & 1) != 0);
    if (HasFatalFailure()) return true;
    if (!reached_) {
      survivor->Kill();
      return false;
    }
    const std::string wrong = GoOn(scene, std::move(survivor), random());
    EXPECT_EQ(wrong, "");
    return true;
  }

  // At the last passage of its life. Who waits for whom differs from run to
  // run, so the last one may come earlier than in the rehearsal.
  bool DieLast(uint64_t seed, bool lru, bool busy) {
    lives_ = 1;
    passed_->store(0);
    DieAndGoOn(seed, kRehearsal, lru, busy);
    bool died = false;
    for (uint64_t hit = passed_->load(); hit != 0 && !died;
         hit -= (hit + 9) / 10) {
      died = DieAndGoOn(seed, hit, lru, busy);
    }
    lives_ = kManyLives;
    return died;
  }

  os::SharedMemory<std::atomic<uint64_t>> passed_;
  int lives_ = kManyLives;
  bool reached_ = false;
};

TEST_P(KillStepsTest, OthersGoOnAndNothingIsLost) {
  // Three rounds meet each step at its first, last and another passage, and
  // six under each policy, beside one who is idle and one who works.
  const uint64_t rounds = Rounds(3);
  for (uint64_t round = 0; round < rounds; ++round) {
    SCOPED_TRACE(absl::StrCat("MPOOL_SEED=", Seed(), " round ", round));
    const uint64_t seed = Seed() + round;
    const bool lru = round % 2 == 0;
    const bool busy = (round + round / 3) % 2 == 0;
    // A step that is passed once in many lives is not in the first one.
    if (round % 3 == 1 && DieLast(seed, lru, busy)) continue;
    const uint64_t hit =
        round % 3 == 0 ? 1 : 1 + seed * 31 % Passages(GetParam());
    ASSERT_TRUE(DieAndGoOn(seed, hit, lru, busy))
        << "the victim never came to passage " << hit << " of " << GetParam();
  }
}

// Who takes a dead process's slot, or mends a part of the heap, is killed by
// region/kill_test.cc: the first takes as many dead as there are slots. Files
// of other page sizes are opened by db/file_test.cc, and files that have a log
// by db/panic_kill_test.cc.
std::vector<std::string> StepsOfScenes() {
  std::vector<std::string> steps = test::StepNames("");
  std::erase_if(steps, [](const std::string& step) {
    return step.starts_with("region.succeed.") ||
           step.starts_with("region.mend.") ||
           step.starts_with("mpool.panic.") ||
           step == "mpool.file.renewed" || step == "mpool.file.uncounted" ||
           step == "mpool.file.sized";
  });
  return steps;
}

INSTANTIATE_TEST_SUITE_P(All, KillStepsTest,
                         ::testing::ValuesIn(StepsOfScenes()),
                         test::StepTestName);

}  // namespace
}  // namespace mpool::pooltest
