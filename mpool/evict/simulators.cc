// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "mpool/evict/simulators.h"

#include <algorithm>
#include <limits>
#include <list>
#include <unordered_map>
#include <utility>
#include <vector>

#include "mpool/evict/clock.h"
#include "os/assert.h"

namespace mpool::internal {
namespace {

constexpr uint64_t kNever = std::numeric_limits<uint64_t>::max();

// The ring of frames for ClockVictim.
class SimulatedRing {
 public:
  explicit SimulatedRing(uint64_t size)
      : referenced_(size, 0), pages_(size, 0) {}

  uint64_t AdvanceHand() {
    const uint64_t position = hand_;
    hand_ = hand_ + 1 == referenced_.size() ? 0 : hand_ + 1;
    return position;
  }
  bool TakeChance(uint64_t position) {
    return std::exchange(referenced_[position], uint8_t{0}) != 0;
  }

  void Hit(uint64_t position) { referenced_[position] = 1; }
  void Place(uint64_t position, uint32_t page) { pages_[position] = page; }
  uint32_t page(uint64_t position) const { return pages_[position]; }

 private:
  std::vector<uint8_t> referenced_;
  std::vector<uint32_t> pages_;
  uint64_t hand_ = 0;
};

}  // namespace

uint64_t AddressSpaceOf(std::span<const uint32_t> pages) {
  if (pages.empty()) return 0;
  return uint64_t{*std::max_element(pages.begin(), pages.end())} + 1;
}

uint64_t LruHits(std::span<const uint32_t> pages, uint64_t frames) {
  MPOOL_ASSERT(frames != 0);
  std::list<uint32_t> by_recency;
  std::unordered_map<uint32_t, std::list<uint32_t>::iterator> resident;
  uint64_t hits = 0;
  for (const uint32_t page : pages) {
    const auto found = resident.find(page);
    if (found != resident.end()) {
      ++hits;
      by_recency.splice(by_recency.begin(), by_recency, found->second);
      continue;
    }
    if (resident.size() == frames) {
      resident.erase(by_recency.back());
      by_recency.pop_back();
    }
    by_recency.push_front(page);
    resident.emplace(page, by_recency.begin());
    MPOOL_ASSERT(resident.size() == by_recency.size());
    MPOOL_ASSERT(resident.size() <= frames);
  }
  return hits;
}

uint64_t ClockHits(std::span<const uint32_t> pages, uint64_t frames) {
  MPOOL_ASSERT(frames != 0);
  const uint64_t page_count = AddressSpaceOf(pages);
  // Frames beyond the number of pages are never filled.
  const uint64_t used_frames = std::min(frames, page_count);
  SimulatedRing ring(used_frames);
  std::vector<uint64_t> place(page_count, kNever);
  uint64_t filled = 0;
  uint64_t hits = 0;
  for (const uint32_t page : pages) {
    if (place[page] != kNever) {
      ++hits;
      ring.Hit(place[page]);
      continue;
    }
    uint64_t position = filled;
    if (filled < used_frames) {
      ++filled;
    } else {
      // No thread sets bits during the search, so two rounds find a victim.
      position = ClockVictim(ring, 2 * used_frames).value();
      place[ring.page(position)] = kNever;
    }
    MPOOL_ASSERT(position < used_frames);
    ring.Place(position, page);
    place[page] = position;
  }
  return hits;
}

}  // namespace mpool::internal
