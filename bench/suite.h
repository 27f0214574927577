// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// suite.h - the measurements. A suite is one that Google Benchmark runs
// (runner.h): contenders that do the same work over the same data in one
// process, and the ratios of their times.

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

inline Loop LoopOf(Subject* subject) {
  return [=](std::span<const uint32_t> pages) { return subject->Run(pages); };
}

// One for each thread.
using Sequences = std::shared_ptr<const std::vector<Sequence>>;
Sequences OneSequence(std::vector<uint32_t> pages);

// Returns a contender whose thread `t` gets `sequences[t]`. With `warms_up` an
// eighth of the sequence runs before a pass, because the processor's caches
// hold the data of the previous contender.
Contender MakeContender(const std::string& name, Loop loop, bool warms_up,
                        Sequences sequences);

// Returns an error if the subject has read pages since `before`, because pages
// read in a pass make the figures worthless.
absl::Status CheckNoRead(const std::string& name, Subject& subject,
                         const Counts& before);

// The open caches and files of a suite.
class Fixture {
 public:
  explicit Fixture(const std::string& scratch) : scratch_(scratch) {}
  Fixture(const Fixture&) = delete;
  Fixture& operator=(const Fixture&) = delete;

  const std::string& scratch() const { return scratch_; }
  // Returns the path of a file of `page_count` pages, which it creates once.
  absl::StatusOr<std::string> PagesFile(uint64_t page_count) const;
  // Creates a directory for an environment. Close removes it.
  absl::StatusOr<std::string> NewHome();
  // Keeps an opened subject. Close closes it.
  absl::StatusOr<Subject*> Add(
      absl::StatusOr<std::unique_ptr<Subject>> subject);
  // Closes the subjects and removes the homes.
  absl::Status Close();

  std::vector<Contender> contenders;
  // Checks the counters of the passes and adds them to the report.
  std::function<absl::Status(Report&)> check;

 private:
  const std::string scratch_;
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

struct HitCase {
  uint64_t page_count = 0;
  uint32_t threads = 1;
  bool hot = false;  // all threads get one page
};
Suite HitSuite(const std::string& name, const HitCase& what);
Suite BackingSuite(const std::string& name, bool huge_pages);
Suite ExclusiveSuite();
Suite MissSuite();
Suite SyncSuite();

// The measurements that need other processes or the kernel's count of memory.
// Google Benchmark cannot make them. Each `name` is that of the report.

// Hits of two processes at a time.
absl::Status MeasureTwoProcesses(uint64_t page_count, const std::string& name,
                                 Fixture& fixture, Report& report);

// Memory of a full cache in addition to its pages.
absl::Status MeasureMemory(uint64_t cache_bytes, const std::string& name,
                           Fixture& fixture, Report& report);

// Time from the death of a page's holder to the next get of the page.
absl::Status MeasureRepair(const std::string& name, Fixture& fixture,
                           Report& report);

}  // namespace mpool::bench

#endif  // MPOOL_BENCH_SUITE_H_
