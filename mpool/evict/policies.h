// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// policies.h - the table of replacement policies.
//
// Role:        the one place that lists policies. The pool, the check of
//              options, the command line and the simulator look policies up
//              here, so that no other code has a list of its own.

#ifndef MPOOL_MPOOL_EVICT_POLICIES_H_
#define MPOOL_MPOOL_EVICT_POLICIES_H_

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "mpool/evict/policy.h"
#include "mpool/evict/simulators.h"
#include "mpool/types.h"
#include "region/memory.h"

namespace mpool::internal {

// Returns the hits of a cache that starts empty. A miss always loads the page.
// REQUIRES: frames >= 1, and pages are ranks (not checkable: any number may be
// a rank).
using Simulator = uint64_t (*)(std::span<const uint32_t> pages,
                               uint64_t frames);

struct PolicyRow {
  Policy policy;
  std::string_view name;
  // Both are nullptr for a policy that is not built.
  std::unique_ptr<Replacement> (*make)(region::Memory& memory,
                                       FrameTable& frames);
  Simulator simulate;

  // A comparison of function pointers is no constant expression under UBSan.
  bool is_built = true;
};

// The table. A new policy needs its own files and a row.
inline constexpr auto kPolicyRows = std::to_array<PolicyRow>({
    {Policy::kLru, "lru", MakeLru, LruHits},
    {Policy::kClock, "clock", MakeClock, ClockHits},
    {Policy::kClock2Q, "clock2q", nullptr, nullptr, /*is_built=*/false},
});
inline constexpr size_t kBuiltPolicies = static_cast<size_t>(
    std::ranges::count_if(kPolicyRows, &PolicyRow::is_built));

// Return the row of a policy; nullptr if there is none. Accept any value.
const PolicyRow* FindPolicy(Policy policy);
const PolicyRow* FindPolicy(std::string_view name);
// Return the policies that are built, and their names.
std::vector<Policy> BuiltPolicies();
std::vector<std::string_view> PolicyNames();

// Returns a new policy; nullptr if it is unknown or not built.
std::unique_ptr<Replacement> MakeReplacement(Policy policy,
                                             region::Memory& memory,
                                             FrameTable& frames);

}  // namespace mpool::internal

#endif  // MPOOL_MPOOL_EVICT_POLICIES_H_
