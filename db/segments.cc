// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "db/segments.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "mpool/memory/frame_table.h"
#include "mpool/pool/signature.h"
#include "os/assert.h"
#include "os/mappers.h"
#include "os/status.h"
#include "region/memory.h"
#include "region/segments.h"

namespace mpool::internal {
namespace {

using Orphan = SegmentInfo::Orphan;
using HomeState = region::SegmentHome::State;

std::string NameOf(const os::FoundSegment& found) {
  return found.id < 0 ? absl::StrCat("/dev/shm", found.name)
                      : absl::StrCat("System V segment ", found.id);
}

// Counts the dirty pages in a copy of the tables.
absl::StatusOr<uint64_t> CountDirty(const os::FoundSegment& found,
                                    const region::SegmentFront& front) {
  MPOOL_ASSIGN_OR_RETURN(
      std::unique_ptr<os::Mapping> copy,
      region::CopyTables(found, front));
  region::Memory memory("", {.huge_pages = false});
  memory.Use(std::move(copy), *front.fixed);
  FrameTable frames(memory);
  region::Reachable reached(memory.heap());
  MPOOL_RETURN_IF_ERROR(frames.Check(&reached));
  uint64_t dirty = 0;
  frames.ForEachHeader([&](const BufferHeader& frame) {
    const State s = frame.Load();
    const bool counts =
        s.phase() != Phase::kFree && s.phase() != Phase::kPoisoned;
    if (counts && s.has(State::kDirty | State::kWriting)) ++dirty;
  });
  return dirty;
}

void AddNote(SegmentInfo& info, std::string_view note) {
  if (note.empty()) return;
  absl::StrAppend(&info.note, info.note.empty() ? "" : "; ", os::Abs(note));
}

// Decides from the home's state and the processes. Memory that a process has
// mapped is in use, even if its home is gone.
void Judge(const region::SegmentHome& home, const std::string& hidden,
           SegmentInfo& info) {
  const absl::StatusOr<bool> held = os::IsSegmentHeld(info.found);
  const bool is_used =
      held.value_or(false) || info.processes.value_or(0) != 0;
  info.home = home.path;
  AddNote(info, home.why);
  if (home.state == HomeState::kUses) {
    info.orphan = Orphan::kNo;
    return;
  }
  if (home.state == HomeState::kGone) AddNote(info, "its home was removed");
  if (home.state == HomeState::kReplaced) {
    AddNote(info, "its home has another region, or none");
  }
  if (is_used) {
    info.orphan = Orphan::kNo;
    AddNote(info, "processes still have it");
  } else if (!held.ok()) {
    AddNote(info, std::string(held.status().message()));
  } else if (!hidden.empty()) {
    AddNote(info, absl::StrCat("a process may have it, because ", hidden,
                               " cannot be read; run this as root"));
  } else if (home.state != HomeState::kUnknown) {
    info.orphan = Orphan::kYes;
  }
}

// Returns nullopt if the segment is of another program.
std::optional<SegmentInfo> Describe(const os::FoundSegment& found,
                                    uint64_t mappers,
                                    const std::string& hidden) {
  SegmentInfo info;
  info.found = found;
  if (hidden.empty()) info.processes = mappers;
  absl::StatusOr<region::SegmentFront> front =
      region::ReadFront(found, LayoutSignature());
  if (absl::IsNotFound(front.status())) return std::nullopt;
  if (!front.ok()) {
    info.note = std::string(front.status().message());
    return info;
  }
  const absl::StatusOr<uint64_t> dirty = CountDirty(found, *front);
  if (dirty.ok()) {
    info.dirty_pages = *dirty;
  } else if (front->header->magic.load(std::memory_order_relaxed) == 0) {
    info.dirty_pages = 0;
    info.note = "its creation was never finished";
  } else {
    info.note = std::string(dirty.status().message());
  }
  // The kernel counts the processes of System V memory itself.
  Judge(region::FindHome(found, *front), found.id < 0 ? hidden : "", info);
  return info;
}

}  // namespace

std::vector<SegmentInfo> ListSegmentsOfAll() {
  const std::vector<os::FoundSegment> found = os::ListSegments();
  std::vector<os::FileIdentity> files;
  for (const os::FoundSegment& one : found) {
    files.push_back(one.id < 0 ? one.file : os::SysVFile(one.id));
  }
  const os::MapperCounts mappers = os::CountMappers(files);
  MPOOL_ASSERT(mappers.processes.size() == found.size());
  std::vector<SegmentInfo> all;
  for (size_t i = 0; i < found.size(); ++i) {
    std::optional<SegmentInfo> info =
        Describe(found[i], mappers.processes[i], mappers.hidden);
    if (info.has_value()) all.push_back(*std::move(info));
  }
  return all;
}

absl::Status RemoveOrphan(const SegmentInfo& segment, DirtyPages dirty_pages) {
  const std::vector<SegmentInfo> now = ListSegmentsOfAll();
  const auto it = std::ranges::find_if(now, [&](const SegmentInfo& one) {
    return one.found.name == segment.found.name &&
           one.found.id == segment.found.id;
  });
  if (it == now.end()) return absl::OkStatus();
  const std::string what =
      absl::StrCat("remove ", NameOf(segment.found), ": ");
  if (it->orphan != Orphan::kYes) {
    return absl::FailedPreconditionError(absl::StrCat(
        what, "it is not proven to be an orphan (", it->note,
        "); a region with a home is removed by 'mpool remove HOME'"));
  }
  if (dirty_pages == DirtyPages::kWriteBack &&
      it->dirty_pages.value_or(1) != 0) {
    return absl::FailedPreconditionError(absl::StrCat(
        what,
        it->dirty_pages.has_value()
            ? absl::StrCat("it has ", *it->dirty_pages,
                           " pages that are not on disk")
            : absl::StrCat("its pages cannot be counted (", it->note, ")"),
        "; discard them with --force"));
  }
  return os::DiscardSegment(it->found);
}

}  // namespace mpool::internal
