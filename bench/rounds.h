// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// rounds.h - timing several things in turns: A B C A B C, so that whatever else
// the machine does falls on all of them.

#ifndef MPOOL_BENCH_ROUNDS_H_
#define MPOOL_BENCH_ROUNDS_H_

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace mpool::bench {

// Nanoseconds of the monotonic clock.
double NowNs();

// Nanoseconds of processor time of the calling thread: what a loop that never
// sleeps costs, whatever else runs on the machine.
double ThreadNs();

// One of the things that are timed. `run` does it once and returns its time.
struct Contender {
  std::string name;
  std::function<absl::StatusOr<double>()> run;
};

// The times of one contender, one of each round.
struct Figures {
  std::string name;
  std::vector<double> values;

  double Median() const;
  double Min() const;
  double Max() const;
};

// The median, over the rounds, of one contender's time over another's: the two
// stood next to each other, so most of what disturbed one disturbed both.
double RatioOf(const Figures& over, const Figures& under);

// `rounds` times each contender in turn. The first error ends it.
absl::StatusOr<std::vector<Figures>> Interleave(
    std::span<const Contender> contenders, int rounds);

}  // namespace mpool::bench

#endif  // MPOOL_BENCH_ROUNDS_H_
