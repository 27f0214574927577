// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// test_moments.h - what a program does with an environment, one call at a time,
// so that a test can take something away at each of them. A new call of the
// library is one more row of kMoments.

#ifndef MPOOL_DB_TEST_MOMENTS_H_
#define MPOOL_DB_TEST_MOMENTS_H_

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "mpool/mpool.h"
#include "tests/support/child.h"
#include "tests/support/pages.h"

namespace mpool::test {

// A thread that is there before it is needed: to make one takes memory.
class Worker {
 public:
  Worker();
  ~Worker();
  // Runs `body` in the thread and waits for it.
  absl::Status Run(std::function<absl::Status()> body);

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::function<absl::Status()> body_;
  absl::Status result_;
  bool is_there_ = false;
  bool ends_ = false;
  std::thread thread_;
};

// A home, the process that acts in it, and another one that must not feel it.
class World {
 public:
  World(std::string home, Backing backing);

  const std::string& home() const { return home_; }
  EnvOptions& options() { return options_; }
  // What acts: nullptr as long as it is not open.
  std::unique_ptr<DbEnv>& env() { return both_.env; }
  std::unique_ptr<MPoolFile>& file() { return both_.file; }
  Worker& worker() { return *worker_; }

  // Another process that has the environment open, with pages of its own.
  void StartNeighbour();
  bool has_neighbour() const { return neighbour_ != nullptr; }
  // It gets, puts and syncs: what it is told went wrong, "" if nothing did.
  std::string AskNeighbour();

  // Opens environment and file, and puts pages that nobody has written yet.
  void OpenWithPages();
  absl::Status OpenEnv();
  absl::Status OpenFile();
  // What must be on the page from now on.
  absl::Status Put(PageNo page, const std::string& text);
  // In a forked child: no thread came with it.
  void ForgetThread() { static_cast<void>(worker_.release()); }
  // A process that put pages, and died with them in memory.
  void LeaveBehind();
  // Everything that was put is there, everything works, and all of it is on
  // disk in the end.
  void ExpectWholeAndClose();

  static constexpr PageNo kPages = 20;

 private:
  const std::string home_;
  EnvOptions options_;
  std::map<PageNo, std::string> put_;
  // A process of its own forgets what it inherited.
  std::unique_ptr<Child> neighbour_;
  std::unique_ptr<Worker> worker_;
  Opened both_;
};

struct Moment {
  const char* name;
  bool needs_name;  // of the memory, by which other processes find it
  bool in_fork;     // prepared in a parent, who waits for the child that acts
  void (*prepare)(World& world);
  // May be repeated after it failed.
  absl::Status (*act)(World& world);
};

// In the order in which a program comes to them.
std::span<const Moment> Moments();

}  // namespace mpool::test

#endif  // MPOOL_DB_TEST_MOMENTS_H_
