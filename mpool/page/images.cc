// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "mpool/page/images.h"

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "os/assert.h"
#include "os/status.h"
#include "os/step.h"

namespace mpool::internal {
namespace {

using region::Image;

constexpr uint64_t kAnnounced = uint64_t{1} << 32;
constexpr uint64_t kWhole = uint64_t{2} << 32;
constexpr uint64_t kInGroup = uint64_t{4} << 32;

// The images that a thread keeps for its next pages.
constexpr uint32_t kKeptImages = 8;

FrameIndex FrameOf(uint64_t word) {
  return FrameIndex(static_cast<uint32_t>(word));
}

// The step of the word, without frame and group.
uint64_t StepOf(uint64_t word) { return word & (kAnnounced | kWhole); }

bool IsImageTransition(uint64_t from, uint64_t to) {
  const bool is_same_frame = FrameOf(from) == FrameOf(to);
  switch (StepOf(to)) {
    case kAnnounced:
      return from == 0 && (to & kInGroup) == 0;
    case kWhole:
      return is_same_frame && (StepOf(from) == kAnnounced ||
                               (StepOf(from) == kWhole && (to & kInGroup)));
    default:
      return to == 0 && StepOf(from) != 0;
  }
}

// no step below: its callers pass steps.
void StoreWord(Image& image, uint64_t word) {
#ifndef NDEBUG
  CheckImageTransition(image.word.load(std::memory_order_relaxed), word);
#endif
  image.word.store(word, std::memory_order_release);
}

bool Names(uint64_t word, FrameIndex frame, uint64_t step) {
  return FrameOf(word) == frame && (word & step) != 0;
}

}  // namespace

void CheckImageTransition(uint64_t from, uint64_t to) {
  if (!IsImageTransition(from, to)) os::TransitionFailed("image", from, to);
}

void CheckGroupTransition(GroupState from, GroupState to) {
  const bool is_legal =
      (from == GroupState::kNone && to == GroupState::kOpen) ||
      (from == GroupState::kOpen && to == GroupState::kCommitted) ||
      (from == GroupState::kCommitted && to == GroupState::kNone) ||
      (from == GroupState::kOpen && to == GroupState::kNone);
  if (is_legal) return;
  os::TransitionFailed("group", static_cast<uint64_t>(from),
                       static_cast<uint64_t>(to));
}

void Images::Trim(const region::Thread& self) {
  // A guard that moved to another thread reads the images during its put, and
  // only then clears its ledger entry.
  if (!members_.IsLedgerEmpty(self)) return;
  members_.FreeImages(self, *self.slot, kKeptImages);
}

absl::StatusOr<Image*> Images::Announce(const region::Thread& self,
                                        FrameIndex frame, uint32_t bytes) {
  MPOOL_ASSERT(!frame.is_none());
  MPOOL_ASSERT(bytes >= kMinPageBytes);
  MPOOL_ASSERT(self.slot != nullptr);
  Image* image = nullptr;
  std::atomic<uint64_t>* link = &self.slot->images;
  uint32_t count = 0;
  members_.ForEachImage(*self.slot, [&](Image&) { ++count; });
  if (count > kKeptImages) Trim(self);
  count = 0;
  members_.ForEachImage(*self.slot, [&](Image& kept) {
    link = &kept.next;
    ++count;
    if (image == nullptr && kept.room.load() >= bytes &&
        kept.word.load(std::memory_order_relaxed) == 0) {
      image = &kept;
    }
  });
  if (image == nullptr) {
    if (count == kMaxImagesPerThread) {
      return absl::ResourceExhaustedError(absl::StrCat(
          "this thread changes ", count,
          " pages already; put some"));
    }
    MPOOL_ASSIGN_OR_RETURN(
        const uint64_t offset,
        memory_.heap().AllocateLinked(
            self, sizeof(Image) + bytes, kLineBytes, link, [&](uint64_t at) {
              memory_.At<Image>(at)->room.store(bytes);
            }));
    image = memory_.At<Image>(offset);
  }
  MPOOL_ASSERT(image->room.load() >= bytes);
  StoreWord(*image, frame.value() | kAnnounced);
  MPOOL_STEP("mpool.image.announced");
  return image;
}

void Images::Keep(Image& image, const BufferHeader& header, FrameIndex frame,
                  std::span<const std::byte> page, bool in_group) {
  MPOOL_ASSERT(!frame.is_none());
  MPOOL_ASSERT(header.Load().has(State::kX));
  MPOOL_ASSERT(page.size() <= image.room.load());
  image.version.store(header.Load().version(), std::memory_order_relaxed);
  std::memcpy(reinterpret_cast<std::byte*>(&image + 1), page.data(),
              page.size());
  MPOOL_STEP("mpool.image.copied");
  StoreWord(image, frame.value() | kWhole | (in_group ? kInGroup : 0));
  // A death leaves a prefix of the thread's stores. So only the compiler could
  // move a store to the page before the image is whole.
  std::atomic_signal_fence(std::memory_order_seq_cst);
  MPOOL_STEP("mpool.image.whole");
}

void Images::Drop(Image& image) {
  StoreWord(image, 0);
  MPOOL_STEP("mpool.image.dropped");
}

Image* Images::Find(const region::ThreadSlot& slot, FrameIndex frame,
                    uint32_t version) const {
  Image* found = nullptr;
  members_.ForEachImage(slot, [&](Image& image) {
    if (Names(image.word.load(std::memory_order_acquire), frame, kWhole) &&
        image.version.load(std::memory_order_relaxed) == version) {
      found = &image;
    }
  });
  return found;
}

void Images::DropOf(region::ThreadSlot& slot, FrameIndex frame,
                    uint32_t version) {
  if (slot.images.load(std::memory_order_relaxed) == 0) return;
  if (Image* image = Find(slot, frame, version)) Drop(*image);
}

Fate Images::Decide(const region::ThreadSlot& dead, const BufferHeader& header,
                    FrameIndex frame, std::span<std::byte> page) const {
  Image* image = Find(dead, frame, header.Load().version());
  if (image == nullptr) {
    bool announced = false;
    members_.ForEachImage(dead, [&](Image& other) {
      announced = announced || Names(other.word.load(), frame, kAnnounced);
    });
    return announced ? Fate::kUntouched : Fate::kNoImage;
  }
  const bool in_group =
      (image->word.load(std::memory_order_relaxed) & kInGroup) != 0;
  if (in_group && dead.group.load(std::memory_order_acquire) ==
                      static_cast<uint64_t>(GroupState::kCommitted)) {
    return Fate::kCommitted;
  }
  const std::span<std::byte> bytes = Bytes(*image);
  std::memcpy(page.data(), bytes.data(), std::min(page.size(), bytes.size()));
  MPOOL_STEP("mpool.repair.restored");
  return Fate::kRestored;
}

}  // namespace mpool::internal
