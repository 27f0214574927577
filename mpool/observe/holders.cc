// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "mpool/observe/holders.h"

#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "mpool/page/hash_table.h"
#include "mpool/page/ledger.h"
#include "os/assert.h"
#include "region/identity.h"

namespace mpool::internal {
namespace {

using region::ProcessSlot;
using region::ProcessWord;
using region::SlotState;

absl::Duration Since(uint64_t then, std::optional<uint64_t> now) {
  return !now.has_value() || then == 0 || then > *now
             ? absl::ZeroDuration()
             : absl::Nanoseconds(static_cast<int64_t>(*now - then));
}

class Collector {
 public:
  Collector(const region::Memory& memory, const region::ThreadSlots& threads,
            const FrameTable& frames,
            const FileEntries& files, const HolderProbe& is_alive)
      : memory_(memory),
        threads_(threads),
        frames_(frames),
        files_(files),
        is_alive_(is_alive),
        clock_(region::OwnClock()) {
    MPOOL_ASSERT(is_alive_ != nullptr);
    MPOOL_ASSERT(frames_.IsAttached());
  }

  std::vector<Holding> Collect() {
    MPOOL_ASSERT(holdings_.empty());  // one call for each object
    Processes();
    threads_.ForEachThread([&](uint32_t id, region::ThreadSlot& slot,
                              region::ThreadWord) { Ledger(id, slot); });
    Latches();
    frames_.ForEachHeader([&](const BufferHeader& header) { Frame(header); });
    return std::move(holdings_);
  }

 private:
  void Add(uint32_t thread, uint32_t process, std::string what,
           absl::Duration held) {
    MPOOL_ASSERT(!what.empty());
    MPOOL_ASSERT(held >= absl::ZeroDuration());
    if (process == 0 || process > kMaxProcesses) return;
    const ProcessSlot& slot = memory_.header()->processes[process - 1];
    Holding holding;
    holding.pid = static_cast<int>(slot.pid.load());
    holding.command = region::CommandOf(slot);
    holding.process_slot = process;
    holding.thread = thread;
    holding.what = std::move(what);
    holding.held = held;
    holding.dead = !is_alive_(process);
    holdings_.push_back(std::move(holding));
  }
  void AddOf(uint32_t thread, std::string what,
             absl::Duration held = absl::ZeroDuration()) {
    Add(thread, threads_.ProcessSlotOf(thread), std::move(what), held);
  }

  void Processes() {
    for (uint32_t i = 1; i <= kMaxProcesses; ++i) {
      const ProcessSlot& slot = memory_.header()->processes[i - 1];
      const ProcessWord word = ProcessWord::Unpack(slot.word.load());
      if (word.state == SlotState::kFree) continue;
      Add(0, i,
          word.state == SlotState::kRepairing
              ? absl::StrCat("process slot ", i, ", which is being repaired")
              : absl::StrCat("process slot ", i),
          Since(slot.attached_ns.load(), region::NowOf(slot, clock_)));
    }
  }

  std::string Page(FrameIndex frame) const {
    if (!frames_.IsHeader(frame)) return "a page that cannot be told";
    return files_.DescribePage(frames_.header(frame).LoadKey());
  }

  // Returns the time by the clock of the thread's process, or nullopt if the
  // thread has no process.
  std::optional<uint64_t> NowOf(uint32_t thread) const {
    const uint32_t process = threads_.ProcessSlotOf(thread);
    if (process == 0) return std::nullopt;
    return region::NowOf(
        memory_.header()->processes[process - 1], clock_);
  }

  void Ledger(uint32_t id, const region::ThreadSlot& slot) {
    threads_.ForEachEntry(slot, [&](const EntryWord& word) {
      const Entry entry{word.load()};
      if (entry.word == 0) return;
      const bool exclusive = entry.mode() == Mode::kExclusive;
      AddOf(id,
            absl::StrCat(Page(entry.frame()), exclusive ? " for update"
                                              : entry.mode() == Mode::kPin
                                                  ? " pinned"
                                                  : " to read"),
            entry.Age(NowOf(id)));
    });
  }

  void Latch(const region::Latch& latch, std::string_view name) {
    MPOOL_ASSERT(!name.empty());
    if (latch.owner() != 0) {
      AddOf(latch.owner(), absl::StrCat("the ", std::string(name), " latch"));
    }
  }

  void Latches() {
    Latch(memory_.header()->heap_latch, "heap");
    Latch(memory_.header()->block_latch, "block");
    const PoolHeader& pool = frames_.pool();
    Latch(pool.extents_latch, "extents");
    Latch(pool.files_latch, "files");
    for (const PageClass c : kAllPageClasses) {
      Latch(pool.class_of(c).queue_latch,
            absl::StrCat("queue of ", c.bytes(), " bytes"));
    }
    const uint64_t count = pool.bucket_count.load();
    const uint64_t buckets = pool.buckets.load();
    if (!memory_.Contains(buckets, count * sizeof(Bucket))) return;
    for (uint64_t i = 0; i < count; ++i) {
      Latch(memory_.At<Bucket>(buckets)[i].latch,
            absl::StrCat("bucket ", i));
    }
  }

  // Adds the owners that no ledger shows, of frames that are being loaded,
  // evicted or written.
  void Frame(const BufferHeader& header) {
    const State s = header.Load();
    const FrameIndex frame = frames_.IndexOf(header);
    if (s.phase() == Phase::kLoading || s.phase() == Phase::kEvicting) {
      AddOf(s.owner(), absl::StrCat(Page(frame), s.phase() == Phase::kLoading
                                                     ? ", bringing it in"
                                                     : ", taking it out"));
    }
    if (const uint32_t writer = header.io_owner.load(); writer != 0) {
      AddOf(writer, absl::StrCat(Page(frame), ", writing it"));
    }
  }

  const region::Memory& memory_;
  const region::ThreadSlots& threads_;
  const FrameTable& frames_;
  const FileEntries& files_;
  const HolderProbe& is_alive_;
  const uint64_t clock_;  // the caller's
  std::vector<Holding> holdings_;
};

}  // namespace

std::vector<Holding> HoldingsOf(const region::Memory& memory,
                                const region::ThreadSlots& threads,
                                const FrameTable& frames,
                                const FileEntries& files,
                                const HolderProbe& is_alive) {
  return Collector(memory, threads, frames, files, is_alive).Collect();
}

std::string DescribeHolders(const region::Members& members) {
  std::map<std::string, uint64_t> pins;
  members.ForEachThread(
      [&](uint32_t id, region::ThreadSlot& slot, region::ThreadWord) {
        uint64_t held = 0;
        members.ForEachEntry(slot, [&](EntryWord& entry) {
          if (entry.load(std::memory_order_relaxed) != 0) ++held;
        });
        if (held != 0) pins[members.Describe(id)] += held;
      });
  std::string holders;
  for (const auto& [who, held] : pins) {
    MPOOL_ASSERT(!who.empty() && held != 0);
    absl::StrAppend(&holders, holders.empty() ? "" : ", ", who, " holds ",
                    held);
  }
  return holders.empty() ? "nobody holds one" : holders;
}

std::vector<std::string> GuardsOf(const region::Members& members,
                                  const FrameTable& frames,
                                  const FileEntries& files,
                                  std::optional<uint32_t> file) {
  MPOOL_ASSERT(frames.IsAttached());
  MPOOL_ASSERT(!file.has_value() || *file < kMaxFiles);
  std::vector<std::string> guards;
  members.ForEachThread(
      [&](uint32_t, region::ThreadSlot& slot, region::ThreadWord word) {
        if (word.process != members.process()) return;
        members.ForEachEntry(slot, [&](EntryWord& place) {
          const Entry entry{place.load(std::memory_order_acquire)};
          if (entry.word == 0) return;
          const PageKey key =
              frames.header(entry.frame()).LoadKey(std::memory_order_relaxed);
          const uint32_t index = key.file_index();
          if (file.has_value() && *file != index) return;
          guards.push_back(absl::StrCat(
              files.DescribePage(key),
              entry.mode() == Mode::kExclusive ? " (for update)" : ""));
        });
      });
  return guards;
}

}  // namespace mpool::internal
