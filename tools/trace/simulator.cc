// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "tools/trace/simulator.h"

#include <limits>
#include <queue>
#include <utility>
#include <vector>

namespace mpool::tools {
namespace {

constexpr uint64_t kNever = std::numeric_limits<uint64_t>::max();

// Returns, for each reference, the position of the next reference to its page.
std::vector<uint64_t> NextUses(std::span<const uint32_t> pages) {
  std::vector<uint64_t> next(pages.size());
  std::vector<uint64_t> seen(internal::AddressSpaceOf(pages), kNever);
  for (uint64_t i = pages.size(); i-- > 0;) {
    next[i] = std::exchange(seen[pages[i]], i);
  }
  return next;
}

}  // namespace

uint64_t OptHits(std::span<const uint32_t> pages, uint64_t frames) {
  const std::vector<uint64_t> next = NextUses(pages);
  std::vector<bool> resident(internal::AddressSpaceOf(pages), false);
  // Entries of resident pages by their next use. A stale entry, which a later
  // reference replaced, has its use in the past. It is therefore below every
  // live entry and is never chosen.
  std::priority_queue<std::pair<uint64_t, uint32_t>> by_next_use;
  uint64_t used = 0;
  uint64_t hits = 0;
  for (uint64_t i = 0; i < pages.size(); ++i) {
    const uint32_t page = pages[i];
    if (resident[page]) {
      ++hits;
    } else {
      if (used == frames) {
        resident[by_next_use.top().second] = false;
        by_next_use.pop();
      } else {
        ++used;
      }
      resident[page] = true;
    }
    by_next_use.emplace(next[i], page);
  }
  return hits;
}

uint64_t SimulateHits(SimulatedPolicy policy, std::span<const uint32_t> pages,
                      uint64_t frames) {
  return policy(pages, frames);
}

}  // namespace mpool::tools
