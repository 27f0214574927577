// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// at_rest.cc - a check of everything in the region while no thread is in a
// call.

#include <algorithm>
#include <set>

#include "absl/strings/str_cat.h"
#include "tests/pool/support.h"

namespace mpool::pooltest {
namespace {

using internal::BufferHeader;
using internal::State;
using region::ThreadState;
using region::ThreadWord;

std::string Frames(internal::Pool& pool, Leaks* leaks) {
  std::string wrong;
  const internal::PoolHeader& tables = pool.frames().pool();
  internal::HashTable hash(pool.region().memory());
  hash.Attach(tables.buckets.load(), tables.bucket_count.load());
  auto is_named = [&](const BufferHeader& header) {
    const internal::PageKey key = header.LoadKey();
    return hash.Find(internal::HashTable::Hash(key), key) ==
           pool.frames().IndexOf(header);
  };
  pool.frames().ForEachHeader([&](BufferHeader& header) {
    const State s = header.Load();
    const bool phase_ok = s.phase() == internal::Phase::kFree ||
                          ((s.phase() == internal::Phase::kValid ||
                            s.phase() == internal::Phase::kPoisoned) &&
                           is_named(header));
    if (phase_ok && !s.is_owned() && !s.has(State::kWriting) &&
        header.io_owner.load() == 0) {
      return;
    }
    ++leaks->frames;
    absl::StrAppend(&wrong, "frame ", pool.frames().IndexOf(header).value(),
                    " is in state ", absl::Hex(s.bits, absl::kZeroPad16),
                    ", io_owner ", header.io_owner.load(), "\n");
  });
  return wrong;
}

std::string Latches(internal::Pool& pool) {
  std::string wrong;
  auto look = [&](const region::Latch& latch, std::string_view name) {
    if (latch.owner() == 0) return;
    absl::StrAppend(&wrong, std::string(name), " is held by thread ",
                    latch.owner(), "\n");
  };
  region::Region& region = pool.region();
  internal::PoolHeader& header = pool.frames().pool();
  look(region.memory().header()->heap_latch, "heap latch");
  look(region.memory().header()->block_latch, "block latch");
  look(header.extents_latch, "extents latch");
  look(header.files_latch, "files latch");
  for (const internal::ClassHeader& c : header.classes) {
    look(c.queue_latch, "queue latch");
  }
  const auto* buckets =
      region.memory().At<internal::Bucket>(header.buckets.load());
  for (uint32_t i = 0; i < header.bucket_count.load(); ++i) {
    look(buckets[i].latch, "bucket latch");
  }
  return wrong;
}

// Returns slots that are neither free nor of live processes, and all ledger
// entries.
std::string Ledgers(region::Region& region) {
  std::string wrong;
  region.members().ForEachThread([&](uint32_t id, region::ThreadSlot&,
                                     ThreadWord word) {
    const auto process = region::ProcessWord::Unpack(
        region.memory().header()->processes[word.process - 1].word.load());
    if (process.state == region::SlotState::kLive) return;
    absl::StrAppend(&wrong, "thread slot ", id, " is of process slot ",
                    word.process, ", which is not live\n");
  });
  region.members().ForEachSlot([&](region::ThreadSlot& slot) {
    region.members().ForEachEntry(slot, [&](std::atomic<uint64_t>& entry) {
      if (entry.load() == 0) return;
      absl::StrAppend(&wrong, "ledger entry ", absl::Hex(entry.load()), "\n");
    });
    region.members().ForEachImage(slot, [&](region::Image& image) {
      if (image.word.load() == 0) return;
      absl::StrAppend(&wrong, "image ", absl::Hex(image.word.load()), "\n");
    });
    if (slot.group.load() != 0) absl::StrAppend(&wrong, "a group is open\n");
  });
  for (uint32_t i = 0; i < kMaxProcesses; ++i) {
    const auto word = region::ProcessWord::Unpack(
        region.memory().header()->processes[i].word.load());
    if (word.state != region::SlotState::kRepairing) continue;
    absl::StrAppend(&wrong, "process slot ", i + 1, " is being repaired\n");
  }
  return wrong;
}

// Returns entries that no thread fills any longer, or that the dead have open.
std::string Files(internal::Pool& pool) {
  std::string wrong;
  for (uint32_t i = 0; i < pool.frames().pool().files_used.load(); ++i) {
    const internal::FileEntry& entry = *pool.files().At(i);
    const auto word = internal::FileWord::Unpack(entry.word.load());
    if (word.state == internal::FileState::kClaimed) {
      absl::StrAppend(&wrong, "file entry ", i, " is claimed\n");
    }
    for (uint32_t bit = 0; bit < kMaxProcesses; ++bit) {
      const auto process = region::ProcessWord::Unpack(
          pool.region().memory().header()->processes[bit].word.load());
      const bool is_open = (entry.open_bits[bit / 64].load() >> bit % 64) & 1;
      if (!is_open || process.state == region::SlotState::kLive) continue;
      absl::StrAppend(&wrong, "file entry ", i, " is open in process slot ",
                      bit + 1, ", which is not live\n");
    }
  }
  return wrong;
}

// Returns the offsets of all chunks that the region has a reference to.
std::set<uint64_t> Reachable(internal::Pool& pool) {
  region::Region& region = pool.region();
  internal::PoolHeader& header = pool.frames().pool();
  std::set<uint64_t> found = {region.memory().header()->root.load(),
                              header.extents.load(), header.rings.load(),
                              header.buckets.load()};
  const auto* extents =
      region.memory().At<internal::Extent>(header.extents.load());
  for (uint32_t i = 0; i < header.extent_count; ++i) {
    for (const auto& headers : extents[i].headers) found.insert(headers.load());
  }
  const auto* buckets =
      region.memory().At<internal::Bucket>(header.buckets.load());
  for (uint32_t i = 0; i < header.bucket_count.load(); ++i) {
    uint64_t at = uint64_t{buckets[i].overflow.load()} * kLineBytes;
    while (at != 0) {
      found.insert(at);
      at = uint64_t{region.memory().At<internal::Bucket>(at)->overflow.load()} *
           kLineBytes;
    }
  }
  for (const auto& block : region.memory().header()->thread_blocks) {
    found.insert(block.load());
  }
  region.members().ForEachSlot([&](region::ThreadSlot& slot) {
    for (uint64_t at = slot.overflow.load(); at != 0;
         at = region.memory().At<region::LedgerOverflow>(at)->next.load()) {
      found.insert(at);
    }
    for (uint64_t at = slot.images.load(); at != 0;
         at = region.memory().At<region::Image>(at)->next.load()) {
      found.insert(at);
    }
  });
  for (const auto& block : header.file_blocks) found.insert(block.load());
  for (uint32_t i = 0; i < header.files_used.load(); ++i) {
    if (internal::FileEntry* entry = pool.files().At(i)) {
      found.insert(entry->path.load());
    }
  }
  return found;
}

std::string Heap(internal::Pool& pool, Leaks* leaks) {
  region::Region& region = pool.region();
  const region::Thread self = region.members().process_thread();
  const absl::Status sound = region.memory().heap().Check(self);
  if (!sound.ok()) return absl::StrCat(sound.ToString(), "\n");
  std::string wrong;
  const std::set<uint64_t> reachable = Reachable(pool);
  const uint64_t end = region.memory().header()->heap_end.load();
  for (uint64_t at = region.memory().header()->heap_begin.load(); at < end;) {
    const uint64_t word = region.memory().At<region::Chunk>(at)->word.load();
    const uint64_t payload = at + sizeof(region::Chunk);
    at += (word >> 16) * 16;
    if (region.memory().heap().SizeOf(payload) == 0) continue;
    if ((word >> 4 & 0xfff) != 0) {
      absl::StrAppend(&wrong, "chunk ", payload, " has an owner\n");
    }
    if (!reachable.contains(payload)) {
      leaks->bytes += region.memory().heap().SizeOf(payload);
      absl::StrAppend(&wrong, "chunk ", payload, " of ",
                      region.memory().heap().SizeOf(payload),
                      " bytes is lost\n");
    }
  }
  return wrong;
}

}  // namespace

std::string AtRest(internal::Pool& pool, Leaks* leaks) {
  Leaks unasked;
  if (leaks == nullptr) leaks = &unasked;
  const std::string slots =
      absl::StrCat(Latches(pool), Ledgers(pool.region()), Files(pool));
  leaks->slots += static_cast<uint64_t>(
      std::count(slots.begin(), slots.end(), '\n'));
  return absl::StrCat(Frames(pool, leaks), slots, Heap(pool, leaks));
}

uint32_t LiveProcesses(const region::Region& region) {
  uint32_t count = 0;
  for (uint32_t i = 0; i < kMaxProcesses; ++i) {
    const auto word = region::ProcessWord::Unpack(
        region.memory().header()->processes[i].word.load());
    if (word.state != region::SlotState::kFree) ++count;
  }
  return count;
}

}  // namespace mpool::pooltest
