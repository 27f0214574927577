// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// suite.h - a suite: contenders that do the same work over the same data in one
// process, and the ratios of their times. Google Benchmark runs the suites
// (runner.h).

#ifndef MPOOL_BENCH_SUITE_H_
#define MPOOL_BENCH_SUITE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "bench/page_file.h"
#include "bench/report.h"
#include "bench/scratch.h"
#include "bench/subject.h"

namespace mpool::bench {

// Pages of a file: 40 MB, which fits the caches of a core, and 400 MB.
inline constexpr uint64_t kSmall = 10240;
inline constexpr uint64_t kLarge = 102400;
// Number of gets in one pass of a hit.
inline constexpr uint32_t kHitGets = 1u << 17;

struct Contender {
  std::string name;
  // Untimed work of a thread before its pass; may be empty.
  std::function<absl::Status(uint32_t thread)> prepare;
  // The timed work of a thread. Returns DataLoss if it read wrong pages.
  std::function<absl::Status(uint32_t thread)> pass;
  uint64_t passes = 0;  // made by the first thread
};

// Gets each page and returns the sum of the first words.
using Loop =
    std::function<absl::StatusOr<uint64_t>(std::span<const uint32_t> pages)>;

// Returns a contender whose thread `t` gets `sequences[t]`. With `warms_up` an
// eighth of the sequence runs before a pass, because the processor's caches
// hold the data of the previous contender.
Contender MakeContender(
    const std::string& name, Loop loop, bool warms_up,
    std::shared_ptr<const std::vector<Sequence>> sequences);

// The open caches and files of a suite.
class Fixture {
 public:
  explicit Fixture(const Scratch& scratch) : scratch_(scratch) {}
  Fixture(const Fixture&) = delete;
  Fixture& operator=(const Fixture&) = delete;

  const Scratch& scratch() const { return scratch_; }
  // Returns the path of a file of `page_count` pages, which it creates once.
  absl::StatusOr<std::string> PagesFile(uint64_t page_count) const;
  // Creates a directory for an environment. Close removes it.
  absl::StatusOr<std::string> NewHome(std::string_view name);
  // Keeps an opened subject. Close closes it.
  absl::StatusOr<Subject*> Add(
      absl::StatusOr<std::unique_ptr<Subject>> subject);
  // Closes the subjects and removes the homes.
  absl::Status Close();

  std::vector<Contender> contenders;
  // Checks the counters of the passes and adds them to the report.
  std::function<absl::Status(Report&)> check;

 private:
  const Scratch& scratch_;
  std::vector<std::string> homes_;
  std::vector<std::unique_ptr<Subject>> subjects_;
};

struct Suite {
  std::string name;
  bool in_quick = false;
  int rounds = 0;
  uint64_t operations = 0;  // of one pass; the reported time is that of one
  Unit unit = Unit::kNanoseconds;  // processor time; kMilliseconds: wall time
  uint32_t threads = 1;
  std::vector<std::string> contenders;
  std::vector<Ratio> ratios;
  // Opens the contenders, in the order of their names.
  std::function<absl::Status(Fixture&)> open;
};

// Every single-process measurement.
std::vector<Suite> AllSuites();

// The caches of a hit: mpool, its floor and Berkeley DB over one file.
struct HitCase {
  uint64_t page_count = 0;
  uint32_t threads = 1;
  bool hot = false;  // all threads get one page
};
struct HitHomes {
  std::string mpool;
  std::string libdb;
  std::string file;
};
absl::StatusOr<HitHomes> NewHitHomes(const HitCase& what, Fixture& fixture);
// Opens the caches with every page in memory. `name` is that of the report.
absl::Status OpenHit(const std::string& name, const HitCase& what,
                     const HitHomes& homes, Fixture& fixture);
std::vector<std::string> HitNames();
std::vector<Ratio> HitRatios();

Suite BackingSuite(const std::string& name, bool huge_pages);
Suite ExclusiveSuite();
Suite MissSuite();
Suite SyncSuite();

}  // namespace mpool::bench

#endif  // MPOOL_BENCH_SUITE_H_
