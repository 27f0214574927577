// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// policies.cc - finds rows of the table of policies.

#include "mpool/evict/policies.h"

#include <algorithm>

#include "os/assert.h"

namespace mpool::internal {
namespace {

template <class Matches>
const PolicyRow* Find(Matches&& matches) {
  const auto found = std::ranges::find_if(kPolicyRows, matches);
  return found == kPolicyRows.end() ? nullptr : &*found;
}

// Returns a column of the rows of the policies that are built.
template <class T>
std::vector<T> OfBuilt(T PolicyRow::*column) {
  std::vector<T> out;
  for (const PolicyRow& row : kPolicyRows) {
    if (row.is_built) out.push_back(row.*column);
  }
  MPOOL_ASSERT(out.size() == kBuiltPolicies);
  return out;
}

}  // namespace

const PolicyRow* FindPolicy(Policy policy) {
  return Find([&](const PolicyRow& row) { return row.policy == policy; });
}

const PolicyRow* FindPolicy(std::string_view name) {
  return Find([&](const PolicyRow& row) { return row.name == name; });
}

std::vector<Policy> BuiltPolicies() { return OfBuilt(&PolicyRow::policy); }

std::vector<std::string_view> PolicyNames() {
  return OfBuilt(&PolicyRow::name);
}

std::unique_ptr<Replacement> MakeReplacement(Policy policy,
                                             region::Memory& memory,
                                             FrameTable& frames) {
  const PolicyRow* row = FindPolicy(policy);
  if (row == nullptr || !row->is_built) return nullptr;
  MPOOL_ASSERT(row->simulate != nullptr);
  std::unique_ptr<Replacement> made = row->make(memory, frames);
  MPOOL_ASSERT(made != nullptr);
  return made;
}

}  // namespace mpool::internal
