// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "mpool/get/frame_supply.h"

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "mpool/observe/holders.h"
#include "os/assert.h"
#include "os/status.h"

namespace mpool::internal {
namespace {

// How long a get searches for a frame while all are held, and its interval.
constexpr absl::Duration kFrameWait = absl::Seconds(1);
constexpr absl::Duration kFrameCheck = absl::Milliseconds(1);
// Most extents that one call gets from other page sizes. The limit exists
// because other threads may take the frames.
constexpr int kMostExtents = 64;

}  // namespace

absl::StatusOr<BufferHeader*> FrameSupply::Take(ThreadContext& self,
                                                PageClass page_class,
                                                const os::Deadline& deadline) {
  MPOOL_ASSERT(self.thread.id != 0);
  const os::Deadline patience(deadline.Left(kFrameWait));
  bool repaired = false;  // since the last search
  Balancer::Need need = Balancer::Need::kFair;
  int given = 0;
  resizer_.HelpNowAndThen(self);
  syncer_.TrimKeptNowAndThen(self);
  while (true) {
    if (BufferHeader* header = frames_.TakeFree(self.thread, page_class)) {
      AssertOwned(*header, self.thread.id);
      return header;
    }
    // Without memory for headers there may still be a victim.
    const absl::StatusOr<bool> cut =
        frames_.extents().Cut(self.thread, page_class);
    if (cut.ok() && *cut) continue;
    if (cut.ok() && given < kMostExtents &&
        balancer_.Balance(self, page_class, need)) {
      ++given;
      continue;
    }
    const absl::StatusOr<BufferHeader*> victim =
        victims_.Take(self, page_class);
    if (victim.ok() && *victim != nullptr) return victim;
    // A write error is returned only once no other page size can give an
    // extent.
    if (!victim.ok() && repaired) return victim;
    MPOOL_RETURN_IF_ERROR(cut.status());
    need = Balancer::Need::kUrgent;
    if (repaired && patience.passed()) return AllHeld(page_class);
    if (!repaired) {
      // Dead processes may hold the missing frames.
      RepairReport report;
      repairer_.RepairAll(self.thread, &report);
      repaired = true;
      continue;
    }
    os::Sleep(kFrameCheck);
    // Repair once more at the end, so that AllHeld names only holders that were
    // alive just before.
    if (patience.passed()) repaired = false;
  }
}

absl::Status FrameSupply::AllHeld(PageClass page_class) const {
  const uint32_t page_bytes = page_class.bytes();
  uint64_t frames = 0;
  uint64_t dirty = 0;
  uint64_t in_flight = 0;
  uint64_t lost = 0;
  frames_.ForEachHeader([&](BufferHeader& header) {
    if (header.page_class() != page_class) return;
    const State s = header.Load();
    ++frames;
    if (s.has(State::kDirty)) ++dirty;
    if (s.is_owned() || s.has(State::kWriting)) ++in_flight;
    if (s.phase() == Phase::kPoisoned) ++lost;
  });
  MPOOL_ASSERT(dirty <= frames && in_flight <= frames && lost <= frames);
  return absl::ResourceExhaustedError(absl::StrCat(
      "find a frame for a page of ", page_bytes, " bytes: of ", frames,
      " frames none can be taken (", DescribeHolders(members_), "; ", dirty,
      " dirty, ", in_flight, " in flight, ", lost,
      " lost with their writers); put pages, "
      "or use a larger cache"));
}

}  // namespace mpool::internal
