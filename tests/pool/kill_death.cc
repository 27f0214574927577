// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// kill_death.cc - the death of one process at a step, and the work after it.

#include <sys/wait.h>
#include <unistd.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "mpool/evict/policies.h"
#include "os/step.h"
#include "tests/pool/kill_scenes.h"
#include "tests/support/backings.h"
#include "tests/support/step_names.h"

namespace mpool::pooltest {
namespace {

constexpr int kNotReached = 3;
// Lives of a worker that dies at any passage except its last.
constexpr uint64_t kManyLives = 12;

// Returns the number of passages from which the death is chosen. It is 1 if a
// victim passes the step once in its life, or once in the life of the region.
uint64_t Passages(const std::string& step) {
  for (const char* once :
       {".adopt.", "mpool.extent.", "region.create.", "region.remove.",
        "region.succeed.", "region.grow.", "region.heap.grow",
        "region.repair.ledgers", "region.repair.tenant",
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

// True if only memory with a name passes the step. Forked children neither
// create, adopt nor remove the memory.
bool IsForNamesOnly(const std::string& step) {
  for (const char* named : {"region.create.", "region.remove.", ".adopt.",
                            "region.join.gate", "region.join.fence"}) {
    if (absl::StrContains(step, named)) return true;
  }
  return false;
}

// The end of a victim.
struct Victim {
  uint64_t hit = 0;  // the passage at which it dies; 0: it lives and counts
  uint64_t lives = kManyLives;
  os::SharedMemory<std::atomic<uint64_t>> passed{};
  bool reached = false;
};

// Kills a process that runs `body` at the step. Returns the text of an error; a
// victim that does not reach the step is no error.
std::string KillOneThat(const std::function<void()>& body, const Death& death,
                        Victim& victim) {
  os::Child child([&] {
    Watchdog(60);
    if (victim.hit == 0) {
      os::CallAtStep(death.step, [&] { victim.passed->fetch_add(1); });
    } else {
      os::KillAtStep(death.step, victim.hit);
    }
    body();
    ::_exit(kNotReached);
  });
  const int status = child.Wait();
  victim.reached = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
  if (victim.reached ||
      (WIFEXITED(status) && WEXITSTATUS(status) == kNotReached)) {
    return "";
  }
  return absl::StrCat("the victim ended with wait status ", status);
}

void Work(const Scene& scene, const Death& death, uint64_t lives) {
  const bool heap = absl::StartsWith(death.step, "region.heap.") ||
                    absl::StartsWith(death.step, "region.grow.");
  for (uint64_t life = 0; life < lives; ++life) {
    Worker worker(scene, death.seed + life, 0);
    worker.Open();
    if (heap && (death.seed & 4) != 0) worker.UseHeap();
    worker.DoEverything();
    if (heap) worker.UseHeap();
    if (absl::StartsWith(death.step, "mpool.frame.free")) {
      worker.MissTogether();
    }
    worker.Close();
  }
  scene.Leave();
}

// Leaves `count` dead processes, each in a slot of its own. Returns the error.
std::string LeaveDead(const Scene& scene, uint32_t count) {
  std::vector<std::unique_ptr<os::Child>> all;
  for (uint32_t i = 0; i < count; ++i) {
    const os::Shared board;
    all.push_back(std::make_unique<os::Child>([&] {
      Watchdog(60);
      const auto env = Must(DbEnv::Open(scene.home()), "open");
      board.Set(0);
      while (true) ::pause();
    }));
    if (!AwaitOrDeath(board, 0, all.back()->pid())) {
      return absl::StrCat("one of those that were to take all slots, ", i,
                          ", was not let in\n");
    }
  }
  return "";
}

// Runs the death, with a survivor attached.
std::string Die(const Scene& scene, const Death& death, Victim& victim,
                std::unique_ptr<Survivor>* survivor) {
  auto join = [&](bool busy) {
    *survivor = std::make_unique<Survivor>(
        scene, busy ? Survivor::Until::kBusy : Survivor::Until::kIdle,
        death.seed, death.fail_check);
  };
  auto open = [&] { Worker(scene, death.seed, 0).Open(); };
  const bool adopting = absl::StrContains(death.step, ".adopt.");
  std::string wrong;
  if (absl::StartsWith(death.step, "region.create.")) {
    wrong = KillOneThat(open, death, victim);
    join(death.busy);
  } else if (absl::StartsWith(death.step, "region.remove.")) {
    // The survivor is idle, so that its death loses no page.
    join(/*busy=*/false);
    (*survivor)->Kill();
    wrong = KillOneThat(
        [&] { Must(DbEnv::Remove(scene.home()), "remove"); }, death, victim);
    join(/*busy=*/false);
  } else if (adopting || absl::StrContains(death.step, ".repair.")) {
    join(/*busy=*/false);
    const bool evicting =
        (death.seed & 8) == 0 || death.step.ends_with("evicting") ||
        death.step.ends_with("unevicted");
    wrong = ManyRows(scene, evicting ? ManyRows::Kind::kEvicting
                                     : ManyRows::Kind::kCutting)
                .Kill();
    // A region is adopted only while no process is attached.
    if (adopting) (*survivor)->Kill();
    if (wrong.empty()) wrong = KillOneThat(open, death, victim);
    if (adopting) join(/*busy=*/false);
  } else if (absl::StartsWith(death.step, "region.succeed.")) {
    join(/*busy=*/false);
    // One slot is the survivor's.
    wrong = LeaveDead(scene, kMaxProcesses - (scene.IsAttached() ? 2 : 1));
    if (wrong.empty()) wrong = KillOneThat(open, death, victim);
  } else {
    join(death.busy);
    wrong = KillOneThat([&] { Work(scene, death, victim.lives); }, death,
                        victim);
  }
  return wrong;
}

// Runs the death and the work after it. Without a death it stops there.
std::string DieAndGoOn(const Death& death, Victim& victim) {
  const Scene scene(death.policy, death.backing);
  std::unique_ptr<Survivor> survivor;
  const std::string wrong = Die(scene, death, victim, &survivor);
  if (!wrong.empty()) return wrong;
  if (victim.reached) return GoOn(scene, std::move(survivor), death.after);
  survivor->Kill();
  return "";
}

// The order of the waits differs between runs, so the last passage may come
// earlier than in the rehearsal.
std::string DieLast(const Death& death, Victim& victim) {
  victim.lives = 1;
  std::string wrong = DieAndGoOn(death, victim);
  for (uint64_t hit = victim.passed->load();
       hit != 0 && wrong.empty() && !victim.reached; hit -= (hit + 9) / 10) {
    victim.hit = hit;
    wrong = DieAndGoOn(death, victim);
  }
  return wrong;
}

}  // namespace

Death::Death(std::string at, uint64_t seed_of_all, uint64_t round)
    : step(std::move(at)) {
  std::mt19937_64 random(seed_of_all + round);
  const std::vector<Policy> policies = internal::BuiltPolicies();
  passage = static_cast<Passage>(round % 3);
  hit = passage == Passage::kFirst ? 1 : 1 + random() % Passages(step);
  busy = (round + round / 3) % 2 == 0;
  policy = policies[round % policies.size()];
  // The passage repeats after three rounds, on another backing.
  const uint64_t turn = round + round / 3;
  backing = IsForNamesOnly(step) ? test::SharedBackingFor(step, turn)
                                 : test::ForkedBackingFor(step, turn);
  seed = random();
  fail_check = (random() & 1) != 0;
  after = random();
}

std::string DescribeDeath(const Death& death) {
  Victim last;
  if (death.passage == Death::Passage::kLast) {
    const std::string wrong = DieLast(death, last);
    if (!wrong.empty()) return absl::StrCat("passage ", last.hit, ": ", wrong);
  }
  // The first life may not pass a step that is passed once in many lives.
  if (last.reached) return "";
  // Another thread or process may do the work of a later passage first. The
  // first passage always happens.
  for (uint64_t hit = death.hit; hit != 0; hit /= 2) {
    Victim victim{.hit = hit};
    const std::string wrong = DieAndGoOn(death, victim);
    if (!wrong.empty()) return absl::StrCat("passage ", hit, ": ", wrong);
    if (victim.reached) return "";
  }
  return absl::StrCat("the victim never came to ", death.step);
}

// True if a scene passes the step. Other tests kill at the other steps.
// region/kill_test.cc: the repair of a part of the heap, and a thread that
// calls late. In tests/env/, files/file_test.cc: files of other page sizes.
// death/panic_kill_test.cc: files with a log. death/failure_kill_test.cc:
// failed writes and fsyncs, and more files than entries.
// join/moved_home_test.cc: a home that moved.
bool HasScene(const std::string& step) {
  return !step.starts_with("region.mend.") &&
         !step.starts_with("region.move.") &&
         !step.starts_with("region.thread.resume") &&
         !step.starts_with("mpool.cut.") &&
         !step.starts_with("mpool.tail.") &&
         !step.starts_with("mpool.file.mark") &&
         !step.starts_with("mpool.forget.") &&
         !step.starts_with("mpool.sync.name") && step != "region.join.wait" &&
         !step.starts_with("mpool.discard.") &&
         step != "mpool.fsync.dirtied" && step != "mpool.fsync.suspect" &&
         step != "mpool.fsync.stick" && step != "mpool.fsync.stuck" &&
         step != "mpool.fsync.cleared" &&
         !step.starts_with("mpool.panic.") && step != "mpool.file.renewed" &&
         step != "mpool.file.uncounted" && step != "mpool.file.sized";
}

// Leaves out the steps of reusing a dead process's slot. They need as many dead
// processes as there are slots, which is slow.
std::vector<std::string> StepsOfScenes() {
  std::vector<std::string> steps = test::StepNames("");
  std::erase_if(steps, [](const std::string& step) {
    return !HasScene(step) || step.starts_with("region.succeed.");
  });
  return steps;
}

}  // namespace mpool::pooltest
