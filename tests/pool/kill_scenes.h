// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// kill_scenes.h - one death, told from its beginning to the last close: a
// survivor that was attached all along, a victim, and one who joins later.

#ifndef MPOOL_TESTS_POOL_KILL_SCENES_H_
#define MPOOL_TESTS_POOL_KILL_SCENES_H_

#include <functional>
#include <memory>
#include <string>

#include "tests/pool/crew.h"

namespace mpool::pooltest {

// A process that is attached all along, and does as it is told.
class Survivor {
 public:
  enum class Until { kIdle, kBusy };
  // Attached when the constructor returns. kBusy: works until Verify.
  Survivor(const Scene& scene, Until until, uint64_t seed, bool fail_check);

  pid_t pid() const { return child_->pid(); }
  // Stops its work and looks at everything. Text of what is wrong.
  std::string Verify();
  // Closes; text of what is wrong.
  std::string Leave();
  void Kill() { child_->Kill(); }

 private:
  void Run(const Scene& scene, Until until, uint64_t seed, bool fail_check);

  os::Shared board_;
  std::unique_ptr<os::Child> child_;
};

// What comes after a death, with or without somebody who was there before: all
// go on, nothing is lost, nothing is left. Text of what is wrong.
std::string GoOn(const Scene& scene, std::unique_ptr<Survivor> survivor,
                 uint64_t seed);

// Threads of one process, each held at a step, so that its death leaves many
// things at once: pins, pages held for update, frames that are loaded, written
// and (kEvicting) evicted or (kCutting) cut, latches of all kinds.
class ManyRows {
 public:
  enum class Kind { kEvicting, kCutting };
  // All stand when the constructor returns.
  ManyRows(const Scene& scene, Kind kind);
  // Empty if it was killed as it stood.
  std::string Kill();

 private:
  void Run(const Scene& scene, Kind kind);

  os::Shared board_;
  std::unique_ptr<os::Child> child_;
};

// One death at a step, all of which follows from a seed and a round: of three
// in a row one is at the first passage, one at the last of a life.
struct Death {
  enum class Passage { kFirst, kLast, kOther };
  Death(std::string at, uint64_t seed_of_all, uint64_t round);

  std::string step;
  Passage passage;
  uint64_t hit;  // which passage, unless it is the last
  Policy policy;
  Backing backing;
  bool busy;        // the survivor works meanwhile
  bool fail_check;  // and looks for the dead
  uint64_t seed;
  uint64_t after;  // the seed of who joins later
};
// From the beginning to the last close. Text of what is wrong.
std::string TellDeath(const Death& death);

// Whether TellDeath can kill there.
bool HasScene(const std::string& step);
// Where it can in less than a second.
std::vector<std::string> StepsOfScenes();

// Makes fsync free: none of these tests pulls a plug.
void WithoutFsync();

}  // namespace mpool::pooltest

#endif  // MPOOL_TESTS_POOL_KILL_SCENES_H_
