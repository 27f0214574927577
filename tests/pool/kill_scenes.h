// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// kill_scenes.h - one death from its start to the last close, with a survivor
// that was attached all the time, a victim, and a later joiner.

#ifndef MPOOL_TESTS_POOL_KILL_SCENES_H_
#define MPOOL_TESTS_POOL_KILL_SCENES_H_

#include <functional>
#include <memory>
#include <string>

#include "tests/pool/crew.h"

namespace mpool::pooltest {

// A process that is attached all the time and follows commands.
class Survivor {
 public:
  enum class Until { kIdle, kBusy };
  // Attached when the constructor returns. kBusy: works until Verify.
  Survivor(const Scene& scene, Until until, uint64_t seed, bool fail_check);

  pid_t pid() const { return child_->pid(); }
  // Stops its work and checks everything. Returns the text of the errors.
  std::string Verify();
  // Closes. Returns the text of the errors.
  std::string Leave();
  void Kill() { child_->Kill(); }

 private:
  void Run(const Scene& scene, Until until, uint64_t seed, bool fail_check);

  os::Shared board_;
  std::unique_ptr<os::Child> child_;
};

// Runs the processes after a death, with or without a survivor. Checks that all
// continue, no page is lost and nothing is left. Returns the text of the
// errors.
std::string GoOn(const Scene& scene, std::unique_ptr<Survivor> survivor,
                 uint64_t seed);

// Threads of one process, each stopped at a step. Its death leaves many things
// at once: pins, pages held for update, frames that are loaded, written and
// (kEvicting) evicted or (kCutting) cut, and latches of all kinds.
class ManyRows {
 public:
  enum class Kind { kEvicting, kCutting };
  // All threads have stopped when the constructor returns.
  ManyRows(const Scene& scene, Kind kind);
  // Returns an empty string if the process was killed where it stopped.
  std::string Kill();

 private:
  void Run(const Scene& scene, Kind kind);

  os::Shared board_;
  std::unique_ptr<os::Child> child_;
};

// One death at a step, which a seed and a round determine completely. Of three
// rounds in a row, one kills at the first passage and one at the last passage
// of a life.
struct Death {
  enum class Passage { kFirst, kLast, kOther };
  Death(std::string at, uint64_t seed_of_all, uint64_t round);

  std::string step;
  Passage passage;
  uint64_t hit;  // the passage, unless it is the last
  Policy policy;
  Backing backing;
  bool busy;        // the survivor works during the death
  bool fail_check;  // and repairs the dead
  uint64_t seed;
  uint64_t after;  // the seed of the later joiner
};
// Runs the death to the last close. Returns the text of the errors.
std::string DescribeDeath(const Death& death);

// True if DescribeDeath can kill at the step.
bool HasScene(const std::string& step);
// Returns the steps at which DescribeDeath can kill in less than a second.
std::vector<std::string> StepsOfScenes();

// Makes fsync free, because no test here cuts the power.
void WithoutFsync();

}  // namespace mpool::pooltest

#endif  // MPOOL_TESTS_POOL_KILL_SCENES_H_
