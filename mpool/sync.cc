// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// sync.cc - making files durable.
//
// What was put before the call is on disk when it returns Ok: DIRTY, WRITING
// and X count as not yet written, and each such page is written once, or seen
// written, after the call began. fsync covers the files; a failed one makes
// the pages that it may have lost dirty again and stays known.

#include <cstring>
#include <set>

#include "absl/strings/str_cat.h"
#include "mpool/pool.h"
#include "os/status.h"
#include "os/step.h"

namespace mpool::internal {
namespace {

bool IsOf(const BufferHeader& header, std::optional<uint32_t> file) {
  return !file.has_value() ||
         PageKey::FileIndex(header.key.load(std::memory_order_relaxed)) ==
             *file;
}

absl::Status StickyError(const std::string& path, const FileEntry& entry) {
  const uint32_t error = entry.sticky_errno.load();
  return absl::DataLossError(absl::StrCat(
      "sync file ", path, ": an earlier fsync failed (",
      strerror(static_cast<int>(error)), ") after ",
      entry.unsynced_evicted.load(), " pages had left the pool; what the disk "
      "has of them is unknown: check the file, and restore it if need be"));
}

}  // namespace

absl::Status Pool::Sync(std::optional<uint32_t> file, absl::Duration wait) {
  MPOOL_ASSIGN_OR_RETURN(ThreadContext * self, Self());
  absl::Status result = WriteOut(*self, file, os::Deadline(wait));
  files_.ForEach([&](uint32_t index, FileEntry& entry, FileWord) {
    if (file.has_value() && *file != index) return;
    const absl::Status status = MakeDurable(index, entry);
    if (result.ok()) result = status;
  });
  return result;
}

absl::Status Pool::WriteBackAll(bool durable) {
  if (durable) return Sync(std::nullopt, absl::InfiniteDuration());
  MPOOL_ASSIGN_OR_RETURN(ThreadContext * self, Self());
  return WriteOut(*self, std::nullopt,
                  os::Deadline(absl::InfiniteDuration()));
}

// REQUIRES: the header's page was POISONED with `key`.
absl::Status Pool::LostPage(const BufferHeader& header, uint64_t key) const {
  return absl::DataLossError(absl::StrCat(
      "sync ", files_.TellPage(key), ": process ",
      header.poisoned_by.load(), " died while it changed it; write it anew "
      "with GetForUpdate and GetOptions::create"));
}

absl::Status Pool::WriteOut(ThreadContext& self, std::optional<uint32_t> file,
                            const os::Deadline& deadline) {
  absl::Status result;
  std::vector<BufferHeader*> dirty;
  std::vector<std::pair<BufferHeader*, uint64_t>> pending;
  frames_.ForEachHeader([&](BufferHeader& header) {
    const State s = header.Load();
    if (!s.has(State::kDirty | State::kWriting | State::kX) &&
        s.phase() != Phase::kPoisoned) {
      return;
    }
    if (!IsOf(header, file)) return;
    if (s.phase() == Phase::kPoisoned) {
      result = LostPage(header, header.key.load());
      return;
    }
    pending.emplace_back(&header, header.key.load());
    if (s.has(State::kDirty)) dirty.push_back(&header);
  });
  result.Update(write_back_.Write(self, std::move(dirty), nullptr));
  // What one file cannot have written must not keep others from it.
  std::set<uint64_t> failed;
  for (const auto& [header, key] : pending) {
    if (failed.contains(PageKey::FilePart(key))) continue;
    const absl::Status status = WriteOutOne(self, *header, key, deadline);
    if (!status.ok()) failed.insert(PageKey::FilePart(key));
    result.Update(status);
  }
  return result;
}

// Until the page of `key` is known to have been written since the call began.
absl::Status Pool::WriteOutOne(ThreadContext& self, BufferHeader& header,
                               uint64_t key, const os::Deadline& deadline) {
  while (true) {
    const State seen = header.Load();
    // Who evicted it had to write it first.
    if (header.key.load() != key) break;
    if (seen.phase() == Phase::kPoisoned) return LostPage(header, key);
    if (seen.phase() != Phase::kValid) break;
    if (!seen.has(State::kDirty | State::kWriting | State::kX)) break;
    // A writer that only waits for readers is not waited for: one of them may
    // wait for this very call.
    if (seen.has(State::kX)) {
      if (seen.owner() == self.thread.id) {
        return absl::FailedPreconditionError(absl::StrCat(
            "sync ", files_.TellPage(key),
            ": this thread holds it for update; put it first"));
      }
      MPOOL_RETURN_IF_ERROR(
          latch_.WaitForChange(self.thread, header, seen, 0, deadline));
      continue;
    }
    if (seen.has(State::kWriting)) {
      MPOOL_RETURN_IF_ERROR(latch_.WaitForChange(
          self.thread, header, seen, header.io_owner.load(), deadline));
      continue;
    }
    uint64_t written = 0;
    MPOOL_RETURN_IF_ERROR(write_back_.Write(self, {&header}, &written));
    if (written != 0) break;
    // Somebody came in between; a writer between io_owner and WRITING is
    // seen by its io_owner alone.
    if (header.io_owner.load() != 0 && header.Load().bits == seen.bits) {
      MPOOL_RETURN_IF_ERROR(latch_.WaitForChange(
          self.thread, header, seen, header.io_owner.load(), deadline));
    }
  }
  return absl::OkStatus();
}

// quiet below: a page that is UNSYNCED for too long is only synced once more,
// and each process's own descriptor hears of a failed write.
absl::Status Pool::MakeDurable(uint32_t index, FileEntry& entry) {
  const std::string path = files_.PathOf(entry);
  if (entry.sticky_errno.load() != 0) return StickyError(path, entry);
  // An fsync covers writes that were over when it began. Equal counts, in this
  // order, say that all were; otherwise the next Sync makes one of its own.
  const uint64_t over = entry.seen_count.load(std::memory_order_acquire);
  const uint64_t writes = entry.write_count.load(std::memory_order_acquire);
  const bool all_over = over == writes;
  if (all_over && entry.synced_count.load() == writes) {
    return absl::OkStatus();
  }
  // Only those that are unchanged after the fsync were covered by it.
  std::vector<std::pair<BufferHeader*, uint64_t>> covered;
  frames_.ForEachHeader([&](BufferHeader& header) {
    const State s = header.Load();
    if (s.has(State::kUnsynced) && IsOf(header, index)) {
      covered.emplace_back(&header, s.bits);
    }
  });
  const absl::StatusOr<std::shared_ptr<os::File>> file =
      files_.ForWriting(index);
  // A closed file that was removed or replaced has nothing left to sync.
  if (!file.ok() && !FileTable::IsOpenAnywhere(entry) &&
      (absl::IsNotFound(file.status()) ||
       absl::IsFailedPrecondition(file.status()))) {
    return absl::OkStatus();
  }
  MPOOL_RETURN_IF_ERROR(file.status());
  MPOOL_STEP("mpool.sync.fsync");
  const absl::Status status = (*file)->Sync();
  MPOOL_STEP("mpool.sync.fsynced");
  for (const auto& [header, bits] : covered) {
    State seen{bits};
    if (status.ok()) {
      header->Change(&seen, seen.Without(State::kUnsynced));
      continue;
    }
    seen = header->Load();
    while (seen.phase() == Phase::kValid && seen.has(State::kUnsynced) &&
           IsOf(*header, index) &&
           !header->Change(&seen, seen.Without(State::kUnsynced)
                                      .With(State::kDirty))) {
    }
  }
  if (!status.ok()) {
    const int error = os::StatusErrno(status);
    entry.sticky_errno.store(static_cast<uint32_t>(error == 0 ? 5 : error));
    return absl::DataLossError(
        absl::StrCat("sync file ", path, ": ", status.ToString()));
  }
  entry.unsynced_evicted.store(0);
  uint64_t known = entry.synced_count.load();
  while (all_over && known < writes &&
         !entry.synced_count.compare_exchange_weak(known, writes)) {
  }
  return absl::OkStatus();
}

}  // namespace mpool::internal
