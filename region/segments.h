// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// segments.h - the segments of this machine that hold a region, and their
// homes. A segment without a home is an orphan: no open of a home finds it.
//
// Role:   reads copies and changes nothing. The owner of a segment may change
//         it at any time and may be an untrusted user.

#ifndef MPOOL_REGION_SEGMENTS_H_
#define MPOOL_REGION_SEGMENTS_H_

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "os/backing/mapping.h"
#include "os/backing/segment.h"
#include "os/file.h"
#include "region/layout.h"

namespace mpool::region {

// The home of a segment.
struct SegmentHome {
  enum class State {
    kUses,      // the home's descriptor names this creation
    kGone,      // its file system has no such directory any more
    kReplaced,  // the home has another region, or none
    kUnknown,   // `why` has the reason
  };
  State state = State::kUnknown;
  std::string path;  // now, or when the home was last opened; may be empty
  std::string why;
};

// A copy of a region's front. `fixed` is nullopt if the header is not whole.
// `is_known` is true if it has this library's layout. Otherwise only `fixed`
// has a meaning.
struct SegmentFront {
  bool is_known = false;
  std::unique_ptr<RegionHeader> header;
  std::optional<FixedHeader> fixed;
};

// Returns the front of a listed segment. Errors: those of the read; NotFound if
// the segment has no name and no region, so that it is another program's.
absl::StatusOr<SegmentFront> ReadFront(const os::FoundSegment& found,
                                       uint32_t signature);

// Finds the home of a segment. Opens directories and the descriptor.
SegmentHome FindHome(const os::FoundSegment& found, const SegmentFront& front);

// Returns a private copy of the region's tables, without its pages.
// FailedPrecondition if the front is not whole or of another layout; DataLoss
// if its sizes are wrong.
absl::StatusOr<std::unique_ptr<os::Mapping>> CopyTables(
    const os::FoundSegment& found, const SegmentFront& front);

}  // namespace mpool::region

#endif  // MPOOL_REGION_SEGMENTS_H_
