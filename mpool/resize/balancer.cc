// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "mpool/resize/balancer.h"

#include <algorithm>
#include <utility>

#include "os/assert.h"
#include "os/step.h"

namespace mpool::internal {
namespace {

// Number of candidate extents from which the coldest is chosen.
constexpr size_t kLookAt = 8;

}  // namespace

// no step below: a lost count only makes a turn longer.
bool Balancer::Balance(ThreadContext& self, PageClass page_class, Need need) {
  MPOOL_ASSERT(self.thread.id != 0);
  std::atomic<uint64_t>& turned = frames_.page_class(page_class).turned;
  const Need now =
      frames_.extents().IsBelowMinimum(page_class) ? Need::kUrgent : need;
  uint64_t seen = turned.load(std::memory_order_relaxed);
  if (now == Need::kFair && seen < frames_.extents().RingSize(page_class))
    return false;
  const uint32_t open = room_.OpenClasses() | page_class.bit();
  const std::vector<PageClass> donors = FindDonors(page_class, open, now);
  // Only one thread balances in each turn.
  if (now == Need::kFair && !turned.compare_exchange_strong(seen, 0))
    return false;
  std::set<PageKey> unwritable;
  const bool moved = std::ranges::any_of(donors, [&](PageClass donor) {
    const bool is_open = (open & donor.bit()) != 0;
    return GiveUpExtent(self, donor, page_class,
                        is_open ? frames_.extents().MinFrames(donor) : 0, need,
                        &unwritable);
  });
  if (now == Need::kUrgent && !moved) return false;
  for (const PageClass c : kAllPageClasses) {
    frames_.page_class(c).turned.store(0, std::memory_order_relaxed);
  }
  return moved;
}

// Returns the page sizes that may give an extent, in ascending order of
// pressure. `open`: the sizes with open files, one bit a class.
std::vector<PageClass> Balancer::FindDonors(PageClass page_class, uint32_t open,
                                           Need need) const {
  MPOOL_ASSERT((open & page_class.bit()) != 0);
  std::vector<std::pair<double, PageClass>> found;
  for (const PageClass c : kAllPageClasses) {
    const uint32_t extents = frames_.extents().rings().ExtentsIn(c);
    if (c == page_class || extents == 0) continue;
    const bool is_open = (open & c.bit()) != 0;
    if (is_open && extents < 2) continue;
    const double pressure =
        is_open
            ? static_cast<double>(frames_.page_class(c).turned.load(
                  std::memory_order_relaxed)) /
                  static_cast<double>(extents * frames_.extents().PerExtent(c))
            : -1;
    if (need == Need::kUrgent || pressure < 0.5)
      found.emplace_back(pressure, c);
  }
  std::ranges::sort(found);
  std::vector<PageClass> donors;
  for (const auto& [pressure, c] : found) donors.push_back(c);
  return donors;
}

// Retires an extent of the donor that the receiver can use, and leaves the
// donor `leaves` frames. Prefers the coldest of kLookAt extents. kUrgent:
// tries all extents. Adds files that cannot be written to `unwritable` and
// skips their extents.
bool Balancer::GiveUpExtent(ThreadContext& self, PageClass donor,
                            PageClass receiver, uint64_t leaves, Need need,
                            std::set<PageKey>* unwritable) {
  MPOOL_ASSERT(donor != receiver && unwritable != nullptr);
  const FrameSet held = HeldFrames();
  const uint64_t cache = frames_.extents().cache_bytes();
  const uint32_t extents = frames_.extents().rings().ExtentsIn(donor);
  const auto start = static_cast<uint32_t>(
      frames_.page_class(donor).hand.load(std::memory_order_relaxed) /
      frames_.extents().PerExtent(donor));
  std::vector<std::pair<uint64_t, uint32_t>> cold;
  for (uint32_t i = 0; i < extents; ++i) {
    const uint32_t extent =
        frames_.extents().rings().At(donor, (start + i) % extents);
    if (extent < frames_.pool().extent_count &&
        frames_.extents().FramesOf(extent, receiver, cache) != 0 &&
        frames_.extents().HasAtLeast(leaves, donor, extent)) {
      const std::optional<uint64_t> warmth =
          WarmthOf(extent, donor, held, *unwritable);
      if (warmth.has_value()) cold.emplace_back(*warmth, extent);
    }
    if (cold.size() < kLookAt && i + 1 < extents) continue;
    std::ranges::sort(cold);
    for (const auto& [warmth, coldest] : cold) {
      if (!WarmthOf(coldest, donor, held, *unwritable).has_value()) continue;
      if (TryGiveUp(self, coldest, donor, leaves, unwritable)) return true;
    }
    if (need == Need::kFair) return false;
    cold.clear();
  }
  return false;
}

bool Balancer::TryGiveUp(ThreadContext& self, uint32_t extent, PageClass donor,
                         uint64_t leaves, std::set<PageKey>* unwritable) {
  MPOOL_ASSERT(unwritable != nullptr);
  absl::Status failure;
  const CutWord whole{
      donor, frames_.extents().FramesOf(extent, donor,
                                        frames_.extents().cache_bytes())};
  if (!frames_.extents().BeginDrain(self.thread, extent, whole, 0, leaves)) {
    return false;
  }
  // The pages are written before any is evicted: if a dirty page must stay, all
  // pages of the extent may stay.
  const bool writable = drain_.Write(self, extent, whole, 0).ok();
  if (!writable) AddFilesOfDirty(extent, whole, unwritable);
  // A grow may have extended the extent in between.
  if (!writable || !drain_.Drain(self, extent, whole, 0, &failure) ||
      !frames_.extents().Retire(self.thread, extent, whole, 0)) {
    drain_.Cancel(self, extent);
    return false;
  }
  MPOOL_STEP("mpool.balance.given");
  return true;
}

void Balancer::AddFilesOfDirty(uint32_t extent, const CutWord& now,
                               std::set<PageKey>* files) const {
  MPOOL_ASSERT(now.is_cut() && files != nullptr);
  const BufferHeader* first =
      frames_.extents().HeadersOf(extent, now.page_class);
  for (uint64_t i = 0; i < now.frames; ++i) {
    if (!first[i].Load().has(State::kDirty)) continue;
    files->insert(first[i].LoadKey().file_key());
  }
}

FrameSet Balancer::HeldFrames() const {
  FrameSet held;
  members_.ForEachSlot([&](region::ThreadSlot& slot) {
    members_.ForEachEntry(slot, [&](EntryWord& place) {
      const Entry entry{place.load(std::memory_order_relaxed)};
      if (entry.word != 0) held.Add(entry.frame());
    });
  });
  return held;
}

// Returns how many pages of the extent are dirty or were used since the hand
// last passed. Returns nullopt if a page of it cannot be evicted, or if the
// extent as a whole is not cut for the donor.
std::optional<uint64_t> Balancer::WarmthOf(
    uint32_t extent, PageClass donor, const FrameSet& held,
    const std::set<PageKey>& unwritable) const {
  const CutWord now = frames_.extents().cut(extent);
  if (now.page_class != donor ||
      now.frames != frames_.extents().FramesOf(
                        extent, donor, frames_.extents().cache_bytes())) {
    return {};
  }
  const BufferHeader* first = frames_.extents().HeadersOf(extent, donor);
  uint64_t warm = 0;
  for (uint64_t i = 0; i < now.frames; ++i) {
    const State s = first[i].Load();
    const bool stays = s.is_owned() || s.phase() == Phase::kPoisoned ||
                       held.Has(frames_.IndexOf(first[i]));
    if (stays) return {};
    if (s.has(State::kDirty)) {
      if (unwritable.contains(first[i].LoadKey().file_key())) {
        return {};
      }
      ++warm;
    }
    if (first[i].reference.load(std::memory_order_relaxed) != 0) ++warm;
  }
  return warm;
}

}  // namespace mpool::internal
