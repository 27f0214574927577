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
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"

namespace mpool::bench {

enum class Unit { kNanoseconds, kMilliseconds };

// The times of one contender in nanoseconds, one per round.
struct Figures {
  std::string name;
  std::vector<double> values;

  double Median() const;
};

// The median over the rounds of the ratio of two contenders' times. The two run
// one after the other, so a disturbance mostly affects both.
struct Ratio {
  std::string key;  // "over_floor"
  std::string over;
  std::string under;
};

class Report {
 public:
  enum class Table { kPrinted, kSilent };
  using Value = std::variant<double, uint64_t, std::string>;
  explicit Report(Table table);

  // Adds one row for each contender, and "MEASUREMENT.CONTENDER_ns" (or _ms)
  // with its median. A ratio is in the row of its first name.
  void Add(std::string_view measurement, std::span<const Figures> figures,
           Unit unit, std::span<const Ratio> ratios);
  // Adds another number, or a fact about the run, with its row's text.
  void AddValue(const std::string& key, const Value& value,
                std::string_view text);

  absl::Status WriteJson(const std::string& path) const;

 private:
  void PrintRow(std::string_view measurement, std::string_view name,
                std::string_view rest) const;

  const Table table_;
  std::vector<std::pair<std::string, Value>> values_;  // in order of Add
};

}  // namespace mpool::bench

#endif  // MPOOL_BENCH_REPORT_H_
