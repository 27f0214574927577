// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// report.h - the results: a table that is printed during the run, and one flat
// JSON object at the end.

#ifndef MPOOL_BENCH_REPORT_H_
#define MPOOL_BENCH_REPORT_H_

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "bench/rounds.h"
#include "nlohmann/json.hpp"

namespace mpool::bench {

enum class Unit { kNanoseconds, kMilliseconds };

// One contender over another, round by round; see RatioOf.
struct Ratio {
  std::string key;  // "over_floor"
  std::string over;
  std::string under;
};

class Report {
 public:
  enum class Table { kPrinted, kSilent };
  explicit Report(Table table);

  // Adds one row for each contender, and "MEASUREMENT.CONTENDER_ns" (or _ms)
  // with its median. A ratio is in the row of its first name. Figures are in
  // nanoseconds.
  void Add(std::string_view measurement, std::span<const Figures> figures,
           Unit unit, std::span<const Ratio> ratios);
  // Adds a number that is not a time, with its row's text.
  void AddValue(const std::string& key, double value, std::string_view text);
  void AddCount(const std::string& key, uint64_t value, std::string_view text);
  // Adds a fact about the run, to the JSON and as a printed line.
  void AddFact(const std::string& key, const std::string& value);

  absl::Status WriteJson(const std::string& path) const;

 private:
  void PrintRow(std::string_view measurement, std::string_view name,
                std::string_view rest) const;

  const Table table_;
  nlohmann::ordered_json json_;
};

}  // namespace mpool::bench

#endif  // MPOOL_BENCH_REPORT_H_
