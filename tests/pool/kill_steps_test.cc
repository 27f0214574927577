// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// kill_steps_test.cc - SIGKILL at every step that stands in the sources, at its
// first passage and at later ones, under each policy.

#include <sys/wait.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "os/step.h"
#include "tests/pool/kill_scenes.h"
#include "tests/support/step_names.h"

namespace mpool::pooltest {
namespace {

constexpr int kNotReached = 3;

// Passages among which a later one is chosen. 1: a victim passes there once in
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
        "mpool.repair.unwrite"}) {
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

  // Kills a process that runs `body` at the step.
  void KillOneThat(const std::function<void()>& body, uint64_t hit) {
    os::Child victim([&] {
      Watchdog(60);
      os::KillAtStep(GetParam(), hit);
      body();
      ::_exit(kNotReached);
    });
    const int status = victim.Wait();
    ASSERT_FALSE(WIFEXITED(status) && WEXITSTATUS(status) == kNotReached)
        << "the victim never came to passage " << hit << " of " << GetParam();
    ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
        << "the victim ended with wait status " << status;
  }

  void Work(const Scene& scene, uint64_t seed) {
    const bool heap = absl::StartsWith(GetParam(), "region.heap.") ||
                      absl::StartsWith(GetParam(), "region.grow.");
    for (int life = 0; life < 12; ++life) {
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
      const bool evicting = (seed & 8) == 0 || step == "mpool.repair.evicting";
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
};

TEST_P(KillStepsTest, OthersGoOnAndNothingIsLost) {
  // Two rounds meet each step at its first passage and at a later one, and
  // four under each policy; 20 take minutes.
  const uint64_t rounds = Rounds(2);
  for (uint64_t round = 0; round < rounds; ++round) {
    std::mt19937_64 random(Seed() + round);
    const bool first = round % 2 == 0;
    const bool turned = round / 2 % 2 != 0;
    const uint64_t hit = first ? 1 : 1 + random() % Passages(GetParam());
    const bool busy = first == turned;
    SCOPED_TRACE(absl::StrCat("MPOOL_SEED=", Seed(), " round ", round,
                              ", passage ", hit));
    const Scene scene(first == turned ? Policy::kLru : Policy::kClock);
    std::unique_ptr<Survivor> survivor =
        Die(scene, random(), hit, busy, (random() & 1) != 0);
    ASSERT_FALSE(HasFatalFailure());
    const std::string wrong = GoOn(scene, std::move(survivor), random());
    ASSERT_EQ(wrong, "");
  }
}

// Who takes a dead process's slot, or mends a part of the heap, is killed by
// region/kill_test.cc: the first takes as many dead as there are slots. Files
// of other page sizes are opened by db/file_test.cc.
std::vector<std::string> StepsOfScenes() {
  std::vector<std::string> steps = test::StepNames("");
  std::erase_if(steps, [](const std::string& step) {
    return step.starts_with("region.succeed.") ||
           step.starts_with("region.mend.") ||
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
