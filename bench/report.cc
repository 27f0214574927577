// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "bench/report.h"

#include <algorithm>
#include <cstdio>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "nlohmann/json.hpp"
#include "os/status.h"

namespace mpool::bench {
namespace {

const Figures* Find(std::span<const Figures> figures, std::string_view name) {
  for (const Figures& one : figures) {
    if (one.name == name) return &one;
  }
  return nullptr;
}

double RatioOf(const Figures& over, const Figures& under) {
  Figures ratios;
  for (size_t i = 0; i < over.values.size(); ++i) {
    ratios.values.push_back(over.values[i] / under.values[i]);
  }
  return ratios.Median();
}

}  // namespace

double Figures::Median() const {
  std::vector<double> sorted = values;
  std::sort(sorted.begin(), sorted.end());
  const size_t half = sorted.size() / 2;
  return (sorted[half] + sorted[sorted.size() - 1 - half]) / 2;
}

void Report::PrintRow(std::string_view measurement, std::string_view name,
                      std::string_view rest) const {
  if (table_ == Table::kSilent) return;
  absl::PrintF("%-14s %-10s %s\n", os::Abs(measurement), os::Abs(name),
               os::Abs(rest));
  std::fflush(stdout);
}

Report::Report(Table table) : table_(table) {
  PrintRow("measurement", "of",
           absl::StrFormat("%10s %10s %10s  %s", "median", "min", "max",
                           "median of the ratios"));
}

void Report::Add(std::string_view measurement, std::span<const Figures> figures,
                 Unit unit, std::span<const Ratio> ratios) {
  const double scale = unit == Unit::kNanoseconds ? 1 : 1e-6;
  const char* const suffix = unit == Unit::kNanoseconds ? "ns" : "ms";
  std::string prefix(measurement);
  prefix += ".";
  for (const Figures& one : figures) {
    values_.emplace_back(absl::StrCat(prefix, one.name, "_", suffix),
                         one.Median() * scale);
    const auto [min, max] = std::ranges::minmax(one.values);
    std::string row =
        absl::StrFormat("%7.1f %s %7.1f %s %7.1f %s", one.Median() * scale,
                        suffix, min * scale, suffix, max * scale, suffix);
    for (const Ratio& ratio : ratios) {
      const Figures* under = Find(figures, ratio.under);
      if (ratio.over != one.name || under == nullptr) continue;
      const double value = RatioOf(one, *under);
      values_.emplace_back(prefix + ratio.key, value);
      absl::StrAppendFormat(&row, "  %.2f x %s", value, ratio.under);
    }
    PrintRow(measurement, one.name, row);
  }
}

void Report::AddValue(const std::string& key, const Value& value,
                      std::string_view text) {
  values_.emplace_back(key, value);
  PrintRow(key, "", text);
}

absl::Status Report::WriteJson(const std::string& path) const {
  auto json = nlohmann::ordered_json::object();
  for (const auto& [key, value] : values_) {
    std::visit([&, &name = key](const auto& one) { json[name] = one; }, value);
  }
  std::ofstream out(path);
  out << json.dump(2) << "\n";
  out.close();
  if (out) return absl::OkStatus();
  return absl::UnknownError(
      absl::StrCat("write ", path,
                   ": it could not be written; give --json another path"));
}

}  // namespace mpool::bench
