// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// measurements.h - the measurements that need other processes or the kernel's
// count of memory. Google Benchmark cannot make them.

#ifndef MPOOL_BENCH_MEASUREMENTS_H_
#define MPOOL_BENCH_MEASUREMENTS_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "bench/report.h"
#include "bench/suite.h"

namespace mpool::bench {

// Hits of two processes at a time. `name` is that of the report.
absl::Status MeasureTwoProcesses(const std::string& name, uint64_t page_count,
                                 Fixture& fixture, Report& report);

// Memory of a full cache in addition to its pages.
absl::Status MeasureMemory(const std::string& name, uint64_t cache_bytes,
                           Fixture& fixture, Report& report);

// Time from the death of a page's holder to the next get of the page.
absl::Status MeasureRepair(Fixture& fixture, Report& report);

}  // namespace mpool::bench

#endif  // MPOOL_BENCH_MEASUREMENTS_H_
