// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// adopt.cc - restores the pool's tables when no process is attached any more.
//
// The state words tell which operation each frame was in. Derived data (places,
// positions, rings, queues, latches) is made again. Slot and key must agree. If
// they do not, a clean page is read from its file again. A page with changes
// that the file lacks becomes POISONED, because its number may be wrong.
//
//   word                              adopted as
//   VALID, perhaps XP                 VALID
//   VALID, WRITING                    VALID, DIRTY
//   VALID, X, image decides           VALID; see images.h
//   VALID, X else, clean              FREE
//   VALID, X else, DIRTY or WRITING   POISONED; panic if its file has LSNs
//   LOADING, EVICTING, ORPHAN, FREE   FREE
//   POISONED                          POISONED
//   DIRTY in another phase            POISONED
//
// Crash: each part can be repeated on the state that a dead adopter left.
// no step file: no other process is attached, and each part ends with a step.

#include <algorithm>

#include "mpool/pool/pool.h"
#include "os/step.h"

namespace mpool::internal {
namespace {

// Returns the state after adoption. `fate`: the fate of a page that a dead
// writer had.
State AtRest(State s, Fate fate) {
  const bool newer = s.has(State::kDirty | State::kWriting) ||
                     fate == Fate::kCommitted;
  const bool had = s.has(State::kX);
  if (s.phase() == Phase::kValid && (!had || fate != Fate::kNoImage)) {
    const State to = had ? s.NextVersion() : s;
    return to.Bare()
        .WithPhase(Phase::kValid)
        .With(s.bits & State::kUnsynced)
        .With(newer ? State::kDirty : 0);
  }
  const State bare = s.NextVersion().Bare();
  return newer || s.phase() == Phase::kPoisoned
             ? bare.WithPhase(Phase::kPoisoned)
             : bare.WithPhase(Phase::kFree);
}

// Distance in buckets from the current bucket to the prefetched one.
constexpr uint32_t kAhead = 8;

bool HoldsPage(const BufferHeader& header) {
  const Phase phase = header.Load().phase();
  return phase == Phase::kValid || phase == Phase::kPoisoned;
}

}  // namespace

void Pool::Adopt(const region::Thread& self, region::Reachable* reached,
                 RepairReport* report) {
  PoolHeader& pool = frames_.pool();
  auto reset = [&](region::Latch& latch) {
    if (latch.Reset()) ++report->latches;
  };
  reset(pool.extents_latch);
  reset(pool.files_latch);
  for (ClassHeader& c : pool.classes) reset(c.queue_latch);
  pool.bucket_count.store(static_cast<uint32_t>(
      region_.heap().SizeOf(pool.buckets.load()) / sizeof(Bucket)));
  AttachHashTable();
  MakePolicy();
  files_.Adopt(reached, report);
  MPOOL_STEP("mpool.adopt.files");
  pool.resizer.store(0);
  frames_.RebuildRings();
  frames_.ReleaseDrained([](uint32_t) { return true; });
  MPOOL_STEP("mpool.adopt.places");
  FrameSet unnamed;
  frames_.ForEachHeader([&](BufferHeader& header) {
    SettleFrame(header, report);
    if (HoldsPage(header)) unnamed.Add(frames_.IndexOf(header));
  });
  frames_.ForEachHeaderMade([](BufferHeader& header) {
    if (header.io_owner.load() != 0) header.io_owner.store(0);
  });
  file_sync_.Repair([](uint32_t) { return true; });
  MPOOL_STEP("mpool.adopt.frames");
  hash_.Adopt(&unnamed, reached, report);
  MPOOL_STEP("mpool.adopt.slots");
  frames_.ForEachHeader([&](BufferHeader& header) {
    if (!unnamed.Has(frames_.IndexOf(header))) return;
    ++report->damaged;
    DiscardFrame(self, header, reached, report);
  });
  MPOOL_STEP("mpool.adopt.lost");
  frames_.RelinkAll(policy_ != nullptr && policy_->is_ordered());
  MPOOL_STEP("mpool.adopt.queues");
}

void Pool::SettleFrame(BufferHeader& header, RepairReport* report) {
  const State seen = header.Load();
  const bool had = seen.phase() == Phase::kValid && seen.has(State::kX);
  const Fate fate = had ? FateOf(header, seen) : Fate::kNoImage;
  if (fate == Fate::kRestored) ++report->restored;
  State rest = AtRest(seen, fate);
  const bool written = header.io_owner.load() != 0;
  if (written) header.io_owner.store(0);
  if (seen.is_owned() || seen.has(State::kWriting) || written) {
    ++report->frames;
  }
  if (rest.phase() != Phase::kFree && !files_.IsPageOf(header.key.load())) {
    ++report->damaged;
    if (rest.phase() == Phase::kPoisoned || rest.has(State::kDirty)) {
      ++report->poisoned;
    }
    rest = rest.NextVersion().Bare();
  }
  if (rest.phase() == Phase::kPoisoned && seen.phase() != Phase::kPoisoned) {
    header.poisoned_by.store(region_.PidOf(seen.owner()));
    ++report->poisoned;
    const uint64_t key = header.key.load();
    if (HasLsn(*files_.At(PageKey::FileIndex(key)))) SetPanic(key, report);
  }
  // S5 of file_sync.h: count a page that leaves the pool.
  if (!rest.has(State::kUnsynced) && !rest.has(State::kDirty)) {
    files_.NoteDropped(header.key.load(), seen);
  }
  if (rest.bits != seen.bits) header.state.store(rest.bits);
  MPOOL_STEP("mpool.adopt.frame");
}

// REQUIRES: no slot names the frame.
void Pool::DiscardFrame(const region::Thread& self, BufferHeader& header,
                     region::Reachable* reached, RepairReport* report) {
  const State seen = header.Load();
  const State bare = seen.NextVersion().Bare();
  files_.NoteDropped(header.key.load(), seen);
  header.state.store(bare.bits);
  if (seen.phase() == Phase::kValid && !seen.has(State::kDirty)) return;
  ++report->poisoned;
  const uint64_t key = header.key.load();
  const uint64_t hash = HashTable::Hash(key);
  if (hash_.Find(hash, key) != 0) return;
  const FrameIndex frame = frames_.IndexOf(header);
  if (!hash_.Insert(hash, frame)) {
    const absl::StatusOr<uint64_t> line =
        region_.heap().Allocate(self, sizeof(Bucket), kLineBytes);
    if (!line.ok()) return;
    hash_.InsertWithLine(hash, frame, *line);
    reached->Add(*line, sizeof(Bucket));
  }
  header.state.store(bare.WithPhase(Phase::kPoisoned).bits);
}

// Cuts overflow lines that are not separate chunks. Empties each slot that does
// not name a frame of `unnamed` by the frame's key. Removes each frame that a
// slot names correctly from `unnamed`.
void HashTable::Adopt(FrameSet* unnamed, region::Reachable* reached,
                      RepairReport* report) {
  for (uint32_t i = 0; i < count_; ++i) {
    PrefetchHeaders(i + kAhead);
    if (buckets_[i].latch.Reset()) ++report->latches;
    for (Bucket* line = &buckets_[i]; line != nullptr; line = Next(*line)) {
      for (std::atomic<uint64_t>& slot : line->slots) {
        const uint64_t word = slot.load(std::memory_order_relaxed);
        if (word != 0 && !TakesOut(i, word, unnamed)) slot.store(0);
      }
      const uint64_t next = uint64_t{line->overflow.load()} * kLineBytes;
      if (next != 0 && !reached->Add(next, sizeof(Bucket))) {
        line->overflow.store(0);
        ++report->damaged;
      }
    }
  }
}

void HashTable::PrefetchHeaders(uint32_t bucket) const {
  if (bucket >= count_) return;
  for (const std::atomic<uint64_t>& slot : buckets_[bucket].slots) {
    const uint64_t word = slot.load(std::memory_order_relaxed);
    if (word != 0) __builtin_prefetch(&header(Frame(word)));
  }
}

bool HashTable::TakesOut(uint32_t bucket, uint64_t word,
                         FrameSet* unnamed) const {
  const FrameIndex frame = Frame(word);
  if (!unnamed->Has(frame)) return false;
  const uint64_t hash = Hash(header(frame).key.load());
  if (IndexOf(hash) != bucket || (word & kTagMask) != TagOf(hash)) {
    return false;
  }
  unnamed->Remove(frame);
  return true;
}

// Keeps the policy's order as far as its links can be followed.
void FrameTable::RelinkAll(bool ordered) {
  FrameSet left;
  if (ordered) {
    ForEachHeader([&](BufferHeader& header) { left.Add(IndexOf(header)); });
  }
  std::vector<FrameIndex> order;
  for (ClassHeader& c : pool_->classes) {
    FrameIndex at = c.order.head.load();
    for (; left.Has(at); at = header(at).next.load()) {
      order.push_back(at);
      left.Remove(at);
    }
    for (FrameQueue* queue : {&c.free, &c.order}) {
      queue->head.store(0);
      queue->tail.store(0);
    }
  }
  for (const FrameIndex frame : order) LinkAtRest(header(frame), ordered);
  ForEachHeader([&](BufferHeader& header) {
    if (!ordered || left.Has(IndexOf(header))) LinkAtRest(header, ordered);
  });
}

void FrameTable::LinkAtRest(BufferHeader& header, bool ordered) {
  if (header.Load().phase() == Phase::kFree) {
    Link(header, Queue::kFree, /*at_front=*/false);
  } else if (ordered) {
    Link(header, Queue::kReplacement, /*at_front=*/false);
  } else {
    header.queue.store(static_cast<uint32_t>(Queue::kNone));
  }
}

// Closes all files, and frees entries that a dead process was filling.
// REQUIRES: no other process is attached.
void FileTable::Adopt(region::Reachable* reached, RepairReport* report) {
  uint32_t used = 0;
  for (uint32_t i = 0; i < kMaxFiles; ++i) {
    FileEntry* entry = At(i);
    if (entry == nullptr || entry->word.load() == 0) continue;
    used = i + 1;
    const FileWord word = FileWord::Unpack(entry->word.load());
    const bool unfilled =
        word.state == FileState::kFree ||
        (word.state == FileState::kClaimed && word.owner != 0);
    SetState(*entry, unfilled ? FileState::kFree : FileState::kClosed);
    for (std::atomic<uint64_t>& bits : entry->open_bits) bits.store(0);
    if (entry->cutter.exchange(0) != 0) entry->seen_mtime_ns.store(0);
    if (unfilled) entry->fsync_mark.store(0);
    if (entry->device.load() == region_.moved_from()) {
      entry->device.store(region_.home_device());
    }
    if (entry->seen_count.load() != entry->write_count.load()) {
      entry->seen_mtime_ns.store(0);
      entry->seen_count.store(entry->write_count.load());
    }
    if (entry->path.load() != 0 && !reached->Add(entry->path.load(), 1)) {
      entry->path.store(0);
      ++report->damaged;
    }
    MPOOL_STEP("mpool.adopt.file");
  }
  frames_.pool().files_used.store(used);
}

// True if the key belongs to a known file that no process has open.
bool FileTable::IsPageOf(uint64_t key) const {
  const FileEntry* entry = At(PageKey::FileIndex(key));
  if (entry == nullptr) return false;
  const FileWord word = FileWord::Unpack(entry->word.load());
  return word.state == FileState::kClosed &&
         PageKey::FilePart(key) ==
             PageKey::FileKey(PageKey::FileIndex(key), word.generation);
}

}  // namespace mpool::internal
