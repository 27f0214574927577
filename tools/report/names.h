// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// names.h - the names of policies, backings and origins on the command line, in
// tables and in JSON.
//
// Each table serves both directions. A name is valid if it is in its table.

#ifndef MPOOL_TOOLS_REPORT_NAMES_H_
#define MPOOL_TOOLS_REPORT_NAMES_H_

#include <array>
#include <cstddef>
#include <optional>
#include <string_view>

#include "mpool/evict/policies.h"
#include "mpool/types.h"
#include "os/backing/table.h"
#include "tools/trace/simulator.h"

namespace mpool::tools {

template <class T>
struct Named {
  T value{};
  std::string_view name;
};

// The policies that are built, from the table in mpool/evict/policies.h.
inline constexpr auto kPolicies = [] {
  std::array<Named<Policy>, internal::kBuiltPolicies> names;
  size_t count = 0;
  for (const internal::PolicyRow& row : internal::kPolicyRows) {
    if (row.is_built) names[count++] = {row.policy, row.name};
  }
  return names;
}();

// The same policies, and OPT.
inline constexpr auto kSimulatedPolicies = [] {
  std::array<Named<SimulatedPolicy>, internal::kBuiltPolicies + 1> names;
  size_t count = 0;
  for (const internal::PolicyRow& row : internal::kPolicyRows) {
    if (row.is_built) names[count++] = {row.simulate, row.name};
  }
  names[count] = {OptHits, "opt"};
  return names;
}();

// From the table in os/backing/table.h, in the order of the enum.
inline constexpr auto kBackings = [] {
  std::array<Named<Backing>, os::kBackingRows.size()> names;
  for (size_t i = 0; i < names.size(); ++i) {
    names[i] = {os::kBackingRows[i].backing, os::kBackingRows[i].name};
  }
  return names;
}();

inline constexpr std::array<Named<Origin>, 3> kOrigins = {{
    {Origin::kNew, "new"},
    {Origin::kReboot, "reboot"},
    {Origin::kLost, "lost"},
}};

// Returns the value that has `name`; nothing if the name is not valid.
template <class T, size_t kSize>
constexpr std::optional<T> FindValue(const std::array<Named<T>, kSize>& table,
                                     std::string_view name) {
  for (const Named<T>& row : table) {
    if (row.name == name) return row.value;
  }
  return std::nullopt;
}

// Returns the name of `value`; nothing if the table has no such value.
template <class T, size_t kSize>
constexpr std::optional<std::string_view> FindName(
    const std::array<Named<T>, kSize>& table, T value) {
  for (const Named<T>& row : table) {
    if (row.value == value) return row.name;
  }
  return std::nullopt;
}

// Returns all names in the order of the table.
template <class T, size_t kSize>
constexpr std::array<std::string_view, kSize> NamesIn(
    const std::array<Named<T>, kSize>& table) {
  std::array<std::string_view, kSize> names;
  for (size_t i = 0; i < kSize; ++i) names[i] = table[i].name;
  return names;
}

}  // namespace mpool::tools

#endif  // MPOOL_TOOLS_REPORT_NAMES_H_
