// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "mpool/resize/room_check.h"

#include <bit>

#include "absl/strings/str_cat.h"
#include "os/assert.h"
#include "os/status.h"

namespace mpool::internal {

uint32_t RoomCheck::OpenClasses() const {
  uint32_t classes = 0;
  files_.ForEach([&](uint32_t, FileEntry& entry, FileWord word) {
    if (word.state != FileState::kOpen || !IsOpenAnywhere(entry)) {
      return;
    }
    classes |= PageClass::OfSize(entry.page_bytes.load()).bit();
  });
  return classes;
}

absl::Status RoomCheck::Check(std::string_view what, uint64_t bytes,
                              uint32_t classes) const {
  MPOOL_ASSERT(!what.empty() && bytes != 0);
  const PageClass largest = PageClass::FromStored(
      static_cast<uint64_t>(std::bit_width(classes)) - 1);
  if (classes != 0 && bytes / largest.bytes() < kMinFrames) {
    return absl::InvalidArgumentError(absl::StrCat(
        os::Abs(what), ": a cache of ", bytes, " bytes has room for ",
        bytes / largest.bytes(), " pages of ", largest.bytes(),
        ", and needs ", kMinFrames, "; use a larger cache or smaller pages"));
  }
  const auto sizes = static_cast<uint32_t>(std::popcount(classes));
  // The last extent may be too short for a page.
  uint32_t extents = frames_.extents().ExtentsOf(bytes);
  if (sizes != 0 &&
      frames_.extents().FramesOf(extents - 1, largest, bytes) == 0) {
    --extents;
  }
  if (sizes <= extents) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(os::Abs(what), ": files of ", sizes,
                   " page sizes are open then, and a "
                   "cache of ",
                   bytes, " bytes can be cut for ", extents,
                   "; use a larger cache or fewer sizes"));
}

}  // namespace mpool::internal
