// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// images.h - before-images: copies of pages as at their last put, so that
// repair can restore a page after its writer died.
//
// A page needs an image if it was DIRTY, WRITING or UNSYNCED when its writer
// got X, or if it is in a group. Repair reads any other page from its file
// again. An image belongs to the writer's thread slot. It is valid only while
// that thread owns X of the frame and the frame has the version that the image
// names.
//
// State word: the image word, from bit 0:
//   frame 32 | step 2 | group 1 | 29 spare
//   step none       not in use; the whole word is 0
//   step announced  stored before XP. If its thread dies with X of the frame
//                   and without a whole image of it, the page is untouched
//   step whole      the copy is complete; the page may be changed from here on
//   group           the page belongs to a group. All changes of a group count
//                   from the store of kCommitted to the slot's group word on
//
// Transitions (I) and their functions. All others are bugs;
// CheckImageTransition reports them.
//   I1  none -> announced           Images::Announce
//   I2  announced -> whole          Images::Keep, perhaps with group
//   I3  whole -> whole with group   Images::Keep, same frame
//   I4  announced, whole -> none    Images::Drop
//   any -> none                     Members::ClearImages, of a dead thread
//
// State word: the group word of a thread slot is a GroupState.
//   G1  kNone -> kOpen        Group::Take, at the first page
//   G2  kOpen -> kCommitted   Group::Commit
//   G3  kCommitted -> kNone   Group::Commit, after the puts
//   G4  kOpen -> kNone        Group::Rollback
//   any -> kNone              Members::ClearImages, FreeImages
//
// Order:  announced; XP; X; version, bytes; whole; the page's bytes; X off;
//         kNone. A commit: every image of the group whole; kCommitted; each
//         page's X off and image kNone; the group word 0.
// Crash:  see Repairer::FreeThread, which frees the images after all repairs.

#ifndef MPOOL_MPOOL_PAGE_IMAGES_H_
#define MPOOL_MPOOL_PAGE_IMAGES_H_

#include <cstddef>
#include <cstdint>
#include <span>

#include "absl/status/statusor.h"
#include "mpool/page/buffer_header.h"
#include "region/members.h"
#include "region/memory.h"

namespace mpool::internal {

enum class GroupState : uint64_t { kNone = 0, kOpen = 1, kCommitted = 2 };

// Abort if the word `to` must not follow `from`; see the transitions above.
void CheckImageTransition(uint64_t from, uint64_t to);
void CheckGroupTransition(GroupState from, GroupState to);

// The result of Images::Decide for a page that its dead writer owned.
enum class Fate {
  kNoImage,    // no image: the bytes before the change are unknown
  kUntouched,  // the writer died before it could change the page
  kRestored,   // bytes of the last put restored
  kCommitted,  // changed bytes valid: their group was committed
};

class Images {
 public:
  Images(region::Memory& memory, region::Members& members)
      : memory_(memory), members_(members) {}

  // Returns an image with room for the page, announced for the frame. Returns
  // ResourceExhausted if the thread has kMaxImagesPerThread images in use, and
  // errors of the heap.
  absl::StatusOr<region::Image*> Announce(const region::Thread& self,
                                          FrameIndex frame, uint32_t bytes);
  // Copies the page and marks the image whole.
  // REQUIRES: the caller has X of the page. The page is unchanged since (not
  // checkable: no copy of it exists yet).
  static void Keep(region::Image& image, const BufferHeader& header,
                   FrameIndex frame, std::span<const std::byte> page,
                   bool in_group);
  static void Drop(region::Image& image);
  // Frees images beyond the kept ones, unless the thread holds pages.
  void Trim(const region::Thread& self);
  // Drops the thread's image of the frame at that version, if any.
  void DropOf(region::ThreadSlot& slot, FrameIndex frame, uint32_t version);
  // Returns the thread's whole image of the frame at that version; nullptr if
  // there is none.
  region::Image* Find(const region::ThreadSlot& slot, FrameIndex frame,
                      uint32_t version) const;
  std::span<std::byte> Bytes(region::Image& image) const {
    return {reinterpret_cast<std::byte*>(&image + 1), image.room.load()};
  }

  // Decides the fate of the page for repair. Restores its bytes from the image
  // if the result is kRestored.
  // REQUIRES: the thread owns X of the frame, and is dead or gives it up (not
  // checkable: the slot does not have the thread's id).
  Fate Decide(const region::ThreadSlot& dead, const BufferHeader& header,
              FrameIndex frame, std::span<std::byte> page) const;

 private:
  region::Memory& memory_;
  region::Members& members_;
};

}  // namespace mpool::internal

#endif  // MPOOL_MPOOL_PAGE_IMAGES_H_
