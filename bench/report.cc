// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "bench/report.h"

#include <cstdio>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "os/status.h"

namespace mpool::bench {
namespace {

const Figures* Find(std::span<const Figures> figures, std::string_view name) {
  for (const Figures& one : figures) {
    if (one.name == name) return &one;
  }
  return nullptr;
}

}  // namespace

void Report::PrintRow(std::string_view measurement, std::string_view name,
                      std::string_view rest) const {
  if (table_ == Table::kSilent) return;
  absl::PrintF("%-14s %-10s %s\n", os::Abs(measurement), os::Abs(name),
               os::Abs(rest));
  std::fflush(stdout);
}

Report::Report(Table table)
    : table_(table), json_(nlohmann::ordered_json::object()) {
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
    json_[absl::StrCat(prefix, one.name, "_", suffix)] = one.Median() * scale;
    std::string row = absl::StrFormat(
        "%7.1f %s %7.1f %s %7.1f %s", one.Median() * scale, suffix,
        one.Min() * scale, suffix, one.Max() * scale, suffix);
    for (const Ratio& ratio : ratios) {
      const Figures* under = Find(figures, ratio.under);
      if (ratio.over != one.name || under == nullptr) continue;
      const double value = RatioOf(one, *under);
      json_[prefix + ratio.key] = value;
      absl::StrAppendFormat(&row, "  %.2f x %s", value, ratio.under);
    }
    PrintRow(measurement, one.name, row);
  }
}

void Report::AddValue(const std::string& key, double value,
                      std::string_view text) {
  json_[key] = value;
  PrintRow(key, "", text);
}

void Report::AddCount(const std::string& key, uint64_t value,
                      std::string_view text) {
  json_[key] = value;
  PrintRow(key, "", text);
}

void Report::AddFact(const std::string& key, const std::string& value) {
  json_[key] = value;
  PrintRow(absl::StrCat("# ", key, ":"), value, "");
}

absl::Status Report::WriteJson(const std::string& path) const {
  std::ofstream out(path);
  out << json_.dump(2) << "\n";
  out.close();
  if (out) return absl::OkStatus();
  return absl::UnknownError(
      absl::StrCat("write ", path,
                   ": it could not be written; give --json a path that can"));
}

}  // namespace mpool::bench
