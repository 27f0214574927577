// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// measurements.h - the measurements of the benchmark, by name.

#ifndef MPOOL_BENCH_MEASUREMENTS_H_
#define MPOOL_BENCH_MEASUREMENTS_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "bench/report.h"
#include "bench/scratch.h"

namespace mpool::bench {

// Pages of a file: 40 MB, which fits the caches of a core, and 400 MB.
inline constexpr uint64_t kSmall = 10240;
inline constexpr uint64_t kLarge = 102400;

// The environment of a measurement.
struct Context {
  bool quick = false;
  const Scratch& scratch;
  Report& report;

  int rounds() const { return quick ? 7 : 11; }
  // Rounds for hits: many and short, so that each ends before the machine
  // changes its speed. hit_gets() is the number of gets of one timed loop.
  int hit_rounds() const { return quick ? 31 : 51; }
  uint32_t hit_gets() const { return 1u << 17; }
};

struct HitCase {
  std::string name;
  uint64_t page_count = 0;
  uint32_t threads = 1;
  bool two_processes = false;
  bool hot = false;  // all threads get one page
};
absl::Status MeasureHit(const HitCase& what, const Context& context);

struct MemoryCase {
  std::string name;
  uint64_t cache_bytes = 0;
};
absl::Status MeasureMemory(const MemoryCase& what, const Context& context);

absl::Status MeasureBackings(const std::string& name, bool huge_pages,
                             const Context& context);
absl::Status MeasureExclusiveHit(const Context& context);
absl::Status MeasureMiss(const Context& context);
absl::Status MeasureSync(const Context& context);
absl::Status MeasureRepair(const Context& context);

struct Measurement {
  std::string name;
  bool in_quick = false;
  std::function<absl::Status(const Context&)> run;
};
std::vector<Measurement> AllMeasurements();

}  // namespace mpool::bench

#endif  // MPOOL_BENCH_MEASUREMENTS_H_
