// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// segments.h - the shared memory of all environments of this machine, and the
// removal of memory whose home is gone.

#ifndef MPOOL_DB_SEGMENTS_H_
#define MPOOL_DB_SEGMENTS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "db/home.h"
#include "os/backing/segment.h"

namespace mpool::internal {

// A segment, as it was at some instant of the call.
struct SegmentInfo {
  enum class Orphan {
    kNo,       // a process has it mapped, or its home uses it
    kYes,      // proven: no home uses it and no process has it mapped
    kUnknown,  // `note` has the reason
  };
  os::FoundSegment found;
  std::string home;  // the path; empty if it is not known
  std::optional<uint64_t> dirty_pages;  // nullopt: it cannot be read
  std::optional<uint64_t> processes;    // that have it mapped
  Orphan orphan = Orphan::kUnknown;
  std::string note;  // for people; may be empty
};

// Returns all segments that are of mpool. Takes no latch and changes nothing.
std::vector<SegmentInfo> ListSegmentsOfAll();

// Removes an orphan. Lists all segments again first. FailedPrecondition if it
// is not a proven orphan any more, or, without kDiscard, if it has dirty pages
// or cannot be read.
absl::Status RemoveOrphan(const SegmentInfo& segment, DirtyPages dirty_pages);

}  // namespace mpool::internal

#endif  // MPOOL_DB_SEGMENTS_H_
