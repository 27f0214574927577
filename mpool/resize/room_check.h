// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// room_check.h - checks whether a cache has room for the page sizes of its
// files.

#ifndef MPOOL_MPOOL_RESIZE_ROOM_CHECK_H_
#define MPOOL_MPOOL_RESIZE_ROOM_CHECK_H_

#include <cstdint>
#include <string_view>

#include "absl/status/status.h"
#include "mpool/files/file_handles.h"
#include "mpool/files/file_table.h"
#include "mpool/files/page_io.h"
#include "mpool/memory/frame_table.h"

namespace mpool::internal {

class RoomCheck {
 public:
  RoomCheck(const FrameTable& frames, const FileTable& files)
      : frames_(frames), files_(files) {}

  // Returns the page sizes of open files, one bit a class. The entry's word
  // alone is not enough, because it stays OPEN when the last process that has
  // the file open dies.
  uint32_t OpenClasses() const;
  // Returns InvalidArgument if a cache of this size is too small for files of
  // these page sizes. `what` is the operation, for the message.
  absl::Status Check(std::string_view what, uint64_t bytes,
                     uint32_t classes) const;

 private:
  const FrameTable& frames_;
  const FileTable& files_;
};

}  // namespace mpool::internal

#endif  // MPOOL_MPOOL_RESIZE_ROOM_CHECK_H_
