// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// rounds.h - contenders in turn, A B C A B C, so that other load of the machine
// affects all of them.

#ifndef MPOOL_BENCH_ROUNDS_H_
#define MPOOL_BENCH_ROUNDS_H_

#include <string>
#include <vector>

namespace mpool::bench {

// Returns the nanoseconds of the monotonic clock.
double NowNs();

// Returns the nanoseconds of processor time of the calling thread: the cost of
// a loop that never sleeps, independent of other load of the machine.
double ThreadNs();

// The times of one contender, one per round.
struct Figures {
  std::string name;
  std::vector<double> values;

  double Median() const;
  double Min() const;
  double Max() const;
};

// Returns the median over the rounds of the ratio of two contenders' times. The
// two run one after the other, so a disturbance mostly affects both.
double RatioOf(const Figures& over, const Figures& under);

}  // namespace mpool::bench

#endif  // MPOOL_BENCH_ROUNDS_H_
