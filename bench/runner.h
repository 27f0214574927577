// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// runner.h - runs suites by Google Benchmark.
//
// A contender of a suite is the benchmark "SUITE/CONTENDER". The caches of at
// most one suite are open at a time, because all of them need too much memory.

#ifndef MPOOL_BENCH_RUNNER_H_
#define MPOOL_BENCH_RUNNER_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "bench/report.h"
#include "bench/suite.h"
#include "benchmark/benchmark.h"
#include "os/mutex.h"
#include "os/thread_annotations.h"

namespace mpool::bench {

class Runner {
 public:
  enum class Runs { kOnePass, kByFlags };
  // Registers the suites, which must outlive it, with Google Benchmark.
  Runner(const std::vector<Suite>& suites, Runs runs,
         const std::string& scratch, Report& report);

  // Lets Google Benchmark run and report as its flags say. Returns the first
  // error of a contender.
  absl::Status RunByFlags();

  // Runs the contenders of a suite in turn, `rounds` times each, and reports
  // their times and ratios. Returns the first error.
  absl::Status RunRounds(const Suite& suite, int rounds);

 private:
  void Register(const Suite& suite, Runs runs);
  // Runs in each thread of the benchmark.
  void Run(const Suite& suite, size_t index, benchmark::State& state);
  // Opens the suite's caches, unless they are open. Closes another suite's.
  absl::StatusOr<Contender*> Open(const Suite& suite, size_t index)
      MPOOL_EXCLUDES(mutex_);
  // Checks and closes the open suite.
  absl::Status Close() MPOOL_REQUIRES(mutex_);

  const std::string scratch_;
  Report& report_;
  os::Mutex mutex_;
  const Suite* open_ MPOOL_GUARDED_BY(mutex_) = nullptr;
  std::unique_ptr<Fixture> fixture_ MPOOL_GUARDED_BY(mutex_);
  absl::Status failure_ MPOOL_GUARDED_BY(mutex_);
};

}  // namespace mpool::bench

#endif  // MPOOL_BENCH_RUNNER_H_
