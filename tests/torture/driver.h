// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// driver.h - fills the seats of one World, kills processes as planned, and
// checks that the others progress.

#ifndef MPOOL_TESTS_TORTURE_DRIVER_H_
#define MPOOL_TESTS_TORTURE_DRIVER_H_

#include <sys/types.h>

#include <functional>
#include <map>
#include <string>

#include "tests/torture/plan.h"
#include "tests/torture/tally.h"
#include "tests/torture/world.h"

namespace mpool::torture {

// Runs `body` in a separate process and waits for its end. A wrong exit is a
// finding.
void RunApart(Board& board, const std::function<void()>& body);

class Driver {
 public:
  Driver(const World& world, const Plan& plan, Tally& tally)
      : world_(world), plan_(plan), tally_(tally) {}
  ~Driver();
  Driver(const Driver&) = delete;
  Driver& operator=(const Driver&) = delete;

  // Each of these returns false once there is a finding.
  //
  // Runs until `kills` more processes have been killed.
  bool Torture(uint64_t kills);
  // Lets all rest, and checks everything. They rest until the next call.
  bool LookWhileAllRest();
  // Kills all at once, and checks everything.
  bool KillAll();
  // Lets all leave, and checks the remains.
  bool End();

 private:
  // The last progress of a thread and its time; see Watch.
  struct Stand {
    uint64_t progress = 0;
    uint64_t since_us = 0;
    uint64_t stolen_before_us = 0;
  };
  struct Post {
    pid_t pid = -1;
    Life life;
    uint64_t nth = 0;
    uint64_t begun_us = 0;
    uint64_t due_us = 0;        // the time of its kill; 0 = not yet known
    bool is_condemned = false;  // was sent the signal
    Kill::By by = Kill::By::kTimer;
    Stand stands[kSeatThreads];
    std::map<std::string, uint64_t> fds;  // the number of descriptors by file
  };

  Seat& seat(size_t index) { return world_.board()->seats[index]; }
  bool Found() const { return world_.board()->findings.has_text.load() != 0; }
  bool Tick();
  void Nap();
  void Spawn(size_t index, const Life& life);
  void FillSeats();
  void Reap(size_t index);
  void NoteKill(size_t index);
  void Judge(size_t index);
  void JudgeHeir(size_t index);
  void Condemn(size_t index, Kill::By by);
  void Watch();
  void WatchThread(size_t index, size_t thread);
  bool Await(const std::function<bool()>& done, std::string_view what);
  bool AllRest();
  void CountFds();
  uint32_t Alive() const;

  const World& world_;
  const Plan& plan_;
  Tally& tally_;
  Post posts_[kSeats];
  bool is_filling_ = false;
  uint64_t stolen_us_ = 0;  // the driver's total oversleep
};

}  // namespace mpool::torture

#endif  // MPOOL_TESTS_TORTURE_DRIVER_H_
