// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "bench/rounds.h"

#include <time.h>

#include <algorithm>
#include <chrono>

namespace mpool::bench {

double NowNs() {
  return std::chrono::duration<double, std::nano>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

double ThreadNs() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e9 +
         static_cast<double>(now.tv_nsec);
}

double Figures::Median() const {
  std::vector<double> sorted = values;
  std::sort(sorted.begin(), sorted.end());
  const size_t half = sorted.size() / 2;
  return sorted.size() % 2 == 1 ? sorted[half]
                                : (sorted[half - 1] + sorted[half]) / 2;
}

double Figures::Min() const {
  return *std::min_element(values.begin(), values.end());
}

double Figures::Max() const {
  return *std::max_element(values.begin(), values.end());
}

double RatioOf(const Figures& over, const Figures& under) {
  Figures ratios;
  for (size_t i = 0; i < over.values.size(); ++i) {
    ratios.values.push_back(over.values[i] / under.values[i]);
  }
  return ratios.Median();
}

}  // namespace mpool::bench
