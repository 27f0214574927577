// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// balance.cc - extents go from a page size that uses them little to one that
// needs them.
//
// The pressure on a page size is how often its frames have changed their page:
// memcached's rule, by which the slab class whose victims are oldest gives a
// slab to the one whose victims are youngest. When the frames of a size have
// all been given up once, the size with the least pressure gives up an extent,
// if its own pressure is less than half. A size that has no extent at all, or
// whose frames are all held, takes one at once. The last extent of a size that
// has open files stays.
//
// Nobody waits for one who takes frames: an extent that has a frame in flight
// is not chosen.
// Crash: frames that were taken are LOADING in a dead thread's name, as those
// of any loader.

#include <algorithm>

#include "mpool/frame_set.h"
#include "mpool/pool.h"
#include "os/step.h"

namespace mpool::internal {
namespace {

// Extents that are looked at before the coldest of them is chosen.
constexpr uint32_t kLookAt = 8;

}  // namespace

// Whether an extent became free for a page size that needs one; `at_once`: no
// frame of it can be had.
// quiet below: a count that was lost makes a turn longer.
bool Pool::Balance(ThreadContext& self, uint32_t page_class, bool at_once) {
  std::atomic<uint64_t>& turned = frames_.page_class(page_class).turned;
  const uint64_t size = frames_.RingSize(page_class);
  at_once = at_once || frames_.IsShort(page_class);
  uint64_t seen = turned.load(std::memory_order_relaxed);
  if (!at_once && seen < size) return false;
  const std::optional<uint32_t> donor = FindDonor(page_class, at_once);
  // One thread does it, once a turn.
  if (!at_once && !turned.compare_exchange_strong(seen, 0)) return false;
  const bool moved = donor.has_value() && GiveUpExtent(self, *donor);
  for (uint32_t c = 0; c < kPageClasses; ++c) {
    frames_.page_class(c).turned.store(0, std::memory_order_relaxed);
  }
  return moved;
}

std::optional<uint32_t> Pool::FindDonor(uint32_t page_class,
                                        bool at_once) const {
  std::optional<uint32_t> donor;
  double least = 0;
  uint32_t open = 0;
  for (uint32_t c = 0; c < kPageClasses; ++c) {
    const uint32_t extents = frames_.RingExtents(c);
    if (c == page_class || extents == 0) continue;
    if (open == 0) open = OpenClasses() | 1u << page_class;
    const bool is_open = (open >> c & 1) != 0;
    if (is_open && extents < 2) continue;
    const double pressure =
        is_open ? static_cast<double>(frames_.page_class(c).turned.load(
                      std::memory_order_relaxed)) /
                      static_cast<double>(extents * frames_.PerExtent(c))
                : -1;
    if (!at_once && pressure >= 0.5) continue;
    if (!donor.has_value() || pressure < least) {
      donor = c;
      least = pressure;
    }
  }
  return donor;
}

// Retires the coldest extent, among some, that nobody holds a page of.
bool Pool::GiveUpExtent(ThreadContext& self, uint32_t page_class) {
  const std::optional<uint32_t> extent = ColdestExtent(page_class);
  if (!extent.has_value()) return false;
  absl::Status failure;
  const bool is_open = (OpenClasses() >> page_class & 1) != 0;
  const CutWord whole{
      page_class,
      frames_.FramesOf(*extent, page_class, frames_.cache_bytes())};
  const uint64_t leaves = is_open ? frames_.Enough(page_class) : 0;
  if (!frames_.BeginDrain(self.thread, *extent, whole, 0, leaves)) {
    return false;
  }
  // A larger cache may have extended it meanwhile.
  if (!Drain(self, *extent, whole, 0, &failure) ||
      !frames_.Retire(self.thread, *extent, whole, 0)) {
    Undrain(self, *extent);
    return false;
  }
  MPOOL_STEP("mpool.balance.given");
  return true;
}

std::optional<uint32_t> Pool::ColdestExtent(uint32_t page_class) const {
  FrameSet held;
  region_.ForEachSlot([&](region::ThreadSlot& slot) {
    region_.ForEachEntry(slot, [&](EntryWord& place) {
      const Entry entry{place.load(std::memory_order_relaxed)};
      if (entry.word != 0) held.Add(entry.frame());
    });
  });
  const uint64_t cache = frames_.cache_bytes();
  auto warmth = [&](uint32_t extent) -> std::optional<uint64_t> {
    const CutWord now = frames_.cut(extent);
    if (now.page_class != page_class ||
        now.frames != frames_.FramesOf(extent, page_class, cache)) {
      return {};
    }
    const BufferHeader* first = frames_.HeadersOf(extent, page_class);
    uint64_t warm = 0;
    for (uint64_t i = 0; i < now.frames; ++i) {
      const State s = first[i].Load();
      const bool stays = s.is_owned() || s.phase() == Phase::kPoisoned ||
                         held.Has(frames_.IndexOf(first[i]));
      if (stays) return {};
      if (s.has(State::kDirty)) ++warm;
      if (first[i].reference.load(std::memory_order_relaxed) != 0) ++warm;
    }
    return warm;
  };
  const ClassHeader& donor = frames_.page_class(page_class);
  const uint32_t extents = frames_.RingExtents(page_class);
  const auto start = static_cast<uint32_t>(
      donor.hand.load(std::memory_order_relaxed) /
      frames_.PerExtent(page_class));
  std::optional<uint32_t> coldest;
  uint64_t least = 0;
  uint32_t seen = 0;
  for (uint32_t i = 0; i < extents && seen < kLookAt; ++i) {
    const uint32_t extent =
        frames_.ExtentAt(page_class, (start + i) % extents);
    if (extent >= frames_.pool().extent_count) continue;
    const std::optional<uint64_t> warm = warmth(extent);
    if (!warm.has_value()) continue;
    ++seen;
    if (!coldest.has_value() || *warm < least) {
      coldest = extent;
      least = *warm;
    }
  }
  return coldest;
}

}  // namespace mpool::internal
