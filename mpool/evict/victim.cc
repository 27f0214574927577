// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// victim.cc - finds a frame: a free one, one of an extent not cut yet, one of
// another page size, or the policy's victim.
//
// The policy alone decides the order. A dirty victim is written first, together
// with the pages that would be victims soon after it. So one write serves many
// evictions, and the hit rate depends only on the policy.

#include <map>
#include <set>

#include "absl/strings/str_cat.h"
#include "mpool/pool/pool.h"
#include "os/clock.h"
#include "os/status.h"
#include "os/step.h"

namespace mpool::internal {
namespace {

// How long a get searches for a frame while all are held, and its interval.
constexpr absl::Duration kLookFor = absl::Seconds(1);
constexpr absl::Duration kLookEvery = absl::Milliseconds(1);
// Pages written along with a dirty victim.
constexpr size_t kBatchPages = 64;
// Most extents that one call gets from other page sizes. The limit exists
// because other threads may take the frames.
constexpr int kMostExtents = 64;

}  // namespace

absl::StatusOr<BufferHeader*> Pool::TakeFrame(ThreadContext& self,
                                              uint32_t page_class,
                                              const os::Deadline& deadline) {
  const os::Deadline patience(deadline.Left(kLookFor));
  bool repaired = false;  // since the last search
  bool all_held = false;
  int given = 0;
  HelpResizeNowAndThen(self);
  TrimKeptNowAndThen(self);
  while (true) {
    if (BufferHeader* header = frames_.TakeFree(self.thread, page_class)) {
      return header;
    }
    // Without memory for headers there may still be a victim.
    const absl::StatusOr<bool> cut = frames_.Cut(self.thread, page_class);
    if (cut.ok() && *cut) continue;
    if (cut.ok() && given < kMostExtents &&
        Balance(self, page_class, all_held)) {
      ++given;
      continue;
    }
    const absl::StatusOr<BufferHeader*> victim = TakeVictim(self, page_class);
    if (victim.ok() && *victim != nullptr) return victim;
    // A write error is returned only once no other page size can give an
    // extent.
    if (!victim.ok() && repaired) return victim;
    MPOOL_RETURN_IF_ERROR(cut.status());
    all_held = true;
    if (repaired && patience.passed()) return AllHeld(page_class);
    if (!repaired) {
      // Dead processes may hold the missing frames.
      RepairReport report;
      region_.RepairAll(self.thread, &report);
      repaired = true;
      continue;
    }
    os::Sleep(kLookEvery);
    // Repair once more at the end, so that AllHeld names only holders that were
    // alive just before.
    if (patience.passed()) repaired = false;
  }
}

// Searches once through the policy's order. Returns nullptr if no frame could
// be acquired, and ResourceExhausted if dirty victims could not be written.
absl::StatusOr<BufferHeader*> Pool::TakeVictim(ThreadContext& self,
                                               uint32_t page_class) {
  Replacement::Search search{.page_class = page_class};
  absl::Status failure;
  std::set<uint64_t> unwritable;  // files
  while (BufferHeader* header = policy_->NextVictim(self, search)) {
    if (frames_.TryTake(self.thread, *header, page_class)) return header;
    Evicted evicted = TryEvict(self, *header);
    const uint64_t file = PageKey::FilePart(header->key.load());
    if (evicted == Evicted::kDirty && !unwritable.contains(file)) {
      failure.Update(WriteVictims(self, *header));
      self.Count(Counter::dirty_evictions);
      evicted = TryEvict(self, *header);
      if (evicted == Evicted::kDirty && !failure.ok()) unwritable.insert(file);
    }
    if (evicted == Evicted::kFreed &&
        frames_.TryTake(self.thread, *header, page_class)) {
      self.Count(Counter::evictions);
      frames_.page_class(page_class).turned.fetch_add(
          1, std::memory_order_relaxed);
      return header;
    }
  }
  if (failure.ok()) return nullptr;
  // The error is about other pages, so its code is not returned to the caller.
  return absl::ResourceExhaustedError(absl::StrCat(
      "find a frame for a page of ", ClassBytes(page_class),
      " bytes: those that nobody holds are dirty and could not be written (",
      failure.message(), ")"));
}

Pool::Evicted Pool::TryEvict(ThreadContext& self, BufferHeader& header) {
  State seen = header.Load();
  if (seen.phase() == Phase::kOrphan) {
    return TryFreeOrphan(self, header) ? Evicted::kFreed : Evicted::kBusy;
  }
  do {
    if (!seen.is_open() || seen.has(State::kWriting)) return Evicted::kBusy;
    if (seen.has(State::kDirty)) return Evicted::kDirty;
    MPOOL_STEP("mpool.evict.take");
  } while (!header.Change(&seen, seen.WithPhase(Phase::kEvicting)
                                     .WithOwner(self.thread.id)));
  MPOOL_STEP("mpool.evict.taken");
  const FrameIndex frame = frames_.IndexOf(header);
  // Without the hint no reader has entered since the last writer.
  if (seen.has(State::kHint) &&
      ledger_.FindOther(frame, nullptr, std::nullopt).has_value()) {
    MPOOL_STEP("mpool.evict.undo");
    latch_.ChangeAndWake(header, [](State s) {
      return s.WithPhase(Phase::kValid).WithOwner(0);
    });
    MPOOL_STEP("mpool.evict.undone");
    return Evicted::kBusy;
  }
  const uint64_t key = header.key.load(std::memory_order_relaxed);
  const uint64_t hash = HashTable::Hash(key);
  {
    region::LatchGuard guard(hash_.bucket(hash).latch, self.thread.id,
                             region_.watch(), region::LockRank::kBucket);
    MPOOL_STEP("mpool.evict.bucket");
    hash_.Remove(hash, frame);
  }
  policy_->Removed(self, header);
  files_.NoteDropped(key, seen);
  MPOOL_STEP("mpool.evict.free");
  latch_.ChangeAndWake(header, [](State s) {
    return s.NextVersion().Bare();
  });
  MPOOL_STEP("mpool.evict.freed");
  return Evicted::kFreed;
}

// Turns ORPHAN into FREE once no ledger names the frame. The frame stays at its
// place in the policy's order. It has no owner, so another thread may free and
// fill it at the same time.
// no step below: FREE is a complete state.
bool Pool::TryFreeOrphan(ThreadContext&, BufferHeader& header) {
  State seen = header.Load();
  if (seen.phase() != Phase::kOrphan ||
      ledger_.FindOther(frames_.IndexOf(header), nullptr, std::nullopt)
          .has_value()) {
    return false;
  }
  return header.Change(&seen, seen.NextVersion().Bare());
}

absl::Status Pool::WriteVictims(ThreadContext& self, BufferHeader& victim) {
  std::vector<BufferHeader*> batch{&victim};
  policy_->LookAhead(self, victim, kBatchPages, &batch);
  return write_back_.Write(self, std::move(batch), nullptr);
}

absl::Status Pool::AllHeld(uint32_t page_class) const {
  const uint32_t page_bytes = ClassBytes(page_class);
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
  return absl::ResourceExhaustedError(absl::StrCat(
      "find a frame for a page of ", page_bytes, " bytes: of ", frames,
      " frames none can be taken (", DescribeHolders(), "; ", dirty, " dirty, ",
      in_flight, " in flight, ", lost, " lost with their writers); put pages, "
      "or use a larger cache"));
}

// Describes the holders and the number of pages that each of them holds.
std::string Pool::DescribeHolders() const {
  std::map<std::string, uint64_t> pins;
  region_.ForEachThread([&](uint32_t id, region::ThreadSlot& slot,
                            region::ThreadWord) {
    uint64_t held = 0;
    region_.ForEachEntry(slot, [&](EntryWord& entry) {
      if (entry.load(std::memory_order_relaxed) != 0) ++held;
    });
    if (held != 0) pins[region_.Describe(id)] += held;
  });
  std::string holders;
  for (const auto& [who, held] : pins) {
    absl::StrAppend(&holders, holders.empty() ? "" : ", ", who, " holds ",
                    held);
  }
  return holders.empty() ? "nobody holds one" : holders;
}

// Evicts all pages of a file that no process has open. Waits for pages in
// flight. Returns FailedPrecondition if a page is dirty or held. A frame keeps
// the key of its last page while it is acquired for another page or retired.
// Therefore only frames that are in the hash table count.
absl::Status Pool::DropFile(ThreadContext& self, uint32_t index) {
  const os::Deadline patience(kLookFor);
  while (true) {
    uint64_t left = 0;
    bool in_flight = false;
    frames_.ForEachHeader([&](BufferHeader& header) {
      if (PageKey::FileIndex(header.key.load()) != index) return;
      if (TryEvict(self, header) == Evicted::kFreed) {
        frames_.PushFree(self.thread, header);
        return;
      }
      const State seen = header.Load();
      if (seen.phase() == Phase::kFree || seen.phase() == Phase::kRetired ||
          PageKey::FileIndex(header.key.load()) != index ||
          !IsInHashTable(self.thread, header)) {
        return;
      }
      ++left;
      in_flight = in_flight || seen.is_owned() || seen.has(State::kWriting);
    });
    if (left == 0) return absl::OkStatus();
    if (!in_flight || patience.passed()) {
      return absl::FailedPreconditionError(
          absl::StrCat(left, " of its pages are dirty or held"));
    }
    os::Sleep(kLookEvery);
  }
}

}  // namespace mpool::internal
