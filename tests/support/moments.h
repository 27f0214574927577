// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// moments.h - the calls of a program on an environment, one at a time, so
// that a test can withdraw a resource in each call. A new call of the library
// is one more row of kMoments.

#ifndef MPOOL_TESTS_SUPPORT_MOMENTS_H_
#define MPOOL_TESTS_SUPPORT_MOMENTS_H_

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

// A thread that exists before it is needed, because starting a thread needs
// memory.
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

// A home, the process that acts in it, and another process that must be
// unaffected.
class World {
 public:
  World(std::string home, Backing backing);

  const std::string& home() const { return home_; }
  EnvOptions& options() { return options_; }
  // The handles of the acting process; nullptr until opened.
  std::unique_ptr<DbEnv>& env() { return both_.env; }
  std::unique_ptr<MPoolFile>& file() { return both_.file; }
  Worker& worker() { return *worker_; }

  // Starts another process that opens the environment and has its own pages.
  void StartNeighbour();
  bool has_neighbour() const { return neighbour_ != nullptr; }
  // Makes the neighbour get, put and sync. Returns its error, "" if none.
  std::string AskNeighbour();

  // Opens environment and file, and puts pages that are not on disk yet.
  void OpenWithPages();
  absl::Status OpenEnv();
  absl::Status OpenFile();
  // Puts `text` on the page and expects it there from now on.
  absl::Status Put(PageNo page, const std::string& text);
  // Drops the worker in a forked child, which does not have its thread.
  void ForgetThread() { static_cast<void>(worker_.release()); }
  // Runs a process that puts pages and dies with them in memory.
  void LeaveBehind();
  // Checks that every put page is there and everything works. Closes, and
  // checks that all pages are on disk.
  void ExpectWholeAndClose();

  static constexpr PageNo kPages = 20;

 private:
  const std::string home_;
  EnvOptions options_;
  std::map<PageNo, std::string> put_;
  // A separate process without inherited handles.
  std::unique_ptr<Child> neighbour_;
  std::unique_ptr<Worker> worker_;
  Opened both_;
};

struct Moment {
  const char* name;
  bool needs_name;  // other processes find the memory by it
  bool in_fork;     // prepared in a parent that waits for the acting child
  void (*prepare)(World& world);
  // May be repeated after a failure.
  absl::Status (*act)(World& world);
};

// In the order in which a program calls them.
std::span<const Moment> Moments();

}  // namespace mpool::test

#endif  // MPOOL_TESTS_SUPPORT_MOMENTS_H_
