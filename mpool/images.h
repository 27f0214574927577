// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// images.h - before-images: pages as they were at their last put, so that one
// whose writer dies goes back to it.
//
// An image is needed only for a page that was DIRTY or WRITING when its writer
// took it; any other is read again from its file. It belongs to the writer's
// thread slot and counts only while that thread owns X of the frame, at the
// version of the frame that it was taken at.
//
// Word: frame 32 (low) | step 2 | group 1
//   kNone       not in use
//   kAnnounced  before XP is set. If its thread dies with X of the frame and no
//               whole image of it, the page is untouched
//   kWhole      the copy is complete; the page may be changed from here on
//   group       the page is one of a group, which counts as a whole from the
//               moment that the slot's group word is kCommitted
// Order:  announced; XP; X; version, bytes; whole; the page's bytes; X off;
//         kNone. A commit: every image of the group whole; kCommitted; each
//         page's X off and image kNone; the group word 0.
// Crash:  see repair.cc; the images go last (region.repair.images).

#ifndef MPOOL_MPOOL_IMAGES_H_
#define MPOOL_MPOOL_IMAGES_H_

#include <cstddef>
#include <cstdint>
#include <span>

#include "absl/status/statusor.h"
#include "mpool/buffer_header.h"
#include "region/region.h"

namespace mpool::internal {

enum class GroupState : uint64_t { kNone = 0, kOpen = 1, kCommitted = 2 };

// What repair does with a page that its dead writer owned.
enum class Fate {
  kNoImage,    // nothing is known of what was there before
  kUntouched,  // the writer had not got it yet
  kRestored,   // its bytes are those of the last put again
  kCommitted,  // its bytes count: they are of a group that was committed
};

class Images {
 public:
  explicit Images(region::Region& region) : region_(region) {}

  // An image with room for the page, announced for the frame.
  absl::StatusOr<region::Image*> Announce(const region::Thread& self,
                                          FrameIndex frame, uint32_t bytes);
  // Copies the page. REQUIRES: the caller has X of it, and nobody changed it.
  static void Keep(region::Image& image, const BufferHeader& header,
                   FrameIndex frame, std::span<const std::byte> page,
                   bool in_group);
  static void Drop(region::Image& image);
  // Gives back what the thread will hardly need again, unless it holds pages.
  void Trim(const region::Thread& self);
  // Drops the image that the thread has of the frame at that version, if any.
  void DropOf(region::ThreadSlot& slot, FrameIndex frame, uint32_t version);
  // The whole image that the thread has of the frame as it is; or nullptr.
  region::Image* Find(const region::ThreadSlot& slot, FrameIndex frame,
                      uint32_t version) const;
  std::span<std::byte> Bytes(region::Image& image) const {
    return {reinterpret_cast<std::byte*>(&image + 1), image.room.load()};
  }

  // Repair: what becomes of the page, whose bytes are mended if need be.
  // REQUIRES: the thread owns X of the frame, and is dead or gives it up.
  Fate Decide(const region::ThreadSlot& dead, const BufferHeader& header,
              FrameIndex frame, std::span<std::byte> page) const;

 private:
  region::Region& region_;
};

}  // namespace mpool::internal

#endif  // MPOOL_MPOOL_IMAGES_H_
