// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "mpool/write/syncer.h"

#include <map>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "os/assert.h"
#include "os/status.h"

namespace mpool::internal {
namespace {

bool IsOf(const BufferHeader& header, std::optional<uint32_t> file) {
  return !file.has_value() ||
         header.LoadKey(std::memory_order_relaxed).file_index() == *file;
}

}  // namespace

absl::Status Syncer::Sync(ThreadContext& self, std::optional<uint32_t> file,
                          absl::Duration wait) {
  constexpr int kMostTries = 10;
  MPOOL_ASSERT(self.thread.id != 0);
  MPOOL_ASSERT(!file.has_value() || *file < kMaxFiles);
  const os::Deadline deadline(wait);
  absl::Status result;
  for (int tries = 0; tries < kMostTries; ++tries) {
    result = SyncOnce(self, file, deadline);
    if (!absl::IsUnavailable(result)) break;
  }
  // The sync above has synced each file, so kept descriptors may be closed.
  const bool is_whole = !file.has_value() && result.ok();
  file_sync_.TrimKept(self.thread, is_whole ? 0 : FileHandles::kMostKept)
      .IgnoreError();
  return result;
}

absl::Status Syncer::SyncOnce(ThreadContext& self, std::optional<uint32_t> file,
                              const os::Deadline& deadline) {
  std::map<uint32_t, uint64_t> sticky;
  files_.ForEach([&](uint32_t index, FileEntry& entry, FileWord) {
    if (!file.has_value() || *file == index) {
      sticky[index] = entry.sticky.load(std::memory_order_seq_cst);
    }
  });
  std::set<PageKey> unwritten;
  absl::Status result = WriteOut(self, file, deadline, &unwritten);
  files_.ForEach([&](uint32_t index, FileEntry&, FileWord word) {
    if (file.has_value() && *file != index) return;
    const PageKey part = PageKey::FileKey(index, word.generation);
    const Written written =
        unwritten.contains(part) ? Written::kSome : Written::kAll;
    result.Update(file_sync_.MakeDurable(self.thread, index, sticky[index],
                                         written, deadline));
  });
  return result;
}

absl::Status Syncer::WriteAll(ThreadContext& self) {
  std::set<PageKey> unwritten;
  return WriteOut(self, std::nullopt, os::Deadline(absl::InfiniteDuration()),
                  &unwritten);
}

// Returns the DataLoss error of a lost page.
// REQUIRES: the header's page was POISONED with `key`. Not checkable: another
// thread may overwrite the page at any time.
absl::Status Syncer::LostPage(const BufferHeader& header, PageKey key) const {
  return absl::DataLossError(
      absl::StrCat("sync ", files_.DescribePage(key), ": process ",
                   header.poisoned_by.load(),
                   " died while it changed it (or an exception "
                   "unwound the change); write it anew with GetForUpdate and "
                   "GetOptions::create"));
}

// Writes the dirty pages of a file, or of all files. Adds to `unwritten` the
// files with a page that could not be written. Returns DataLoss if a page is
// poisoned, and the errors of writes and waits.
absl::Status Syncer::WriteOut(ThreadContext& self, std::optional<uint32_t> file,
                              const os::Deadline& deadline,
                              std::set<PageKey>* unwritten) {
  MPOOL_ASSERT(unwritten != nullptr && self.thread.id != 0);
  absl::Status result;
  std::vector<BufferHeader*> dirty;
  std::vector<std::pair<BufferHeader*, PageKey>> pending;
  frames_.ForEachHeader([&](BufferHeader& header) {
    const State s = header.Load();
    if (!s.has(State::kDirty | State::kWriting | State::kX) &&
        s.phase() != Phase::kPoisoned) {
      return;
    }
    if (!IsOf(header, file)) return;
    if (s.phase() == Phase::kPoisoned) {
      result = LostPage(header, header.LoadKey());
      return;
    }
    pending.emplace_back(&header, header.LoadKey());
    if (s.has(State::kDirty)) dirty.push_back(&header);
  });
  result.Update(write_back_.Write(self, std::move(dirty), nullptr));
  // A file that cannot be written must not keep other files from being written.
  for (const auto& [header, key] : pending) {
    if (unwritten->contains(key.file_key())) continue;
    const absl::Status status = WriteOutOne(self, *header, key, deadline);
    if (!status.ok()) unwritten->insert(key.file_key());
    result.Update(status);
  }
  return result;
}

// Waits until the page of `key` was written after the call began, or writes it.
// Returns FailedPrecondition if this thread holds the page for update, DataLoss
// if the page is poisoned, and the errors of writes and waits.
absl::Status Syncer::WriteOutOne(ThreadContext& self, BufferHeader& header,
                                 PageKey key, const os::Deadline& deadline) {
  MPOOL_ASSERT(self.thread.id != 0);
  auto wait = [&](State seen, uint32_t suspect) {
    const absl::Status status = latch_.WaitForChange(self.thread, header, seen,
                                                     suspect, deadline);
    return status.ok()
               ? status
               : os::WithPrefix(
                     absl::StrCat("sync ", files_.DescribePage(key), ": "),
                     status);
  };
  while (true) {
    const State seen = header.Load();
    // A different key means that an evictor wrote the page before it evicted
    // it.
    if (header.LoadKey() != key) break;
    if (seen.phase() == Phase::kPoisoned) return LostPage(header, key);
    if (seen.phase() != Phase::kValid) break;
    if (!seen.has(State::kDirty | State::kWriting | State::kX)) break;
    // A writer that only waits for readers (XP) is not waited for, because one
    // of the readers may wait for this call.
    if (seen.has(State::kX)) {
      if (seen.owner() == self.thread.id) {
        return absl::FailedPreconditionError(
            absl::StrCat("sync ", files_.DescribePage(key),
                         ": this thread holds it for update; put it first"));
      }
      MPOOL_RETURN_IF_ERROR(wait(seen, 0));
      continue;
    }
    if (seen.has(State::kWriting)) {
      MPOOL_RETURN_IF_ERROR(wait(seen, header.io_owner.load()));
      continue;
    }
    uint64_t written = 0;
    MPOOL_RETURN_IF_ERROR(write_back_.Write(self, {&header}, &written));
    if (written != 0) break;
    // Another thread acquired the page in between. A flusher between the
    // acquisition of io_owner and WRITING shows only in io_owner.
    if (header.io_owner.load() != 0 && header.Load().bits == seen.bits) {
      MPOOL_RETURN_IF_ERROR(wait(seen, header.io_owner.load()));
    }
  }
  return absl::OkStatus();
}

// Trims the kept descriptors at every 256th frame, because a removed file keeps
// its disk space as long as a descriptor is open.
void Syncer::TrimKeptNowAndThen(ThreadContext& self) {
  constexpr uint32_t kEvery = 256;
  MPOOL_ASSERT(self.thread.id != 0);
  if (++self.frames_taken % kEvery != 0) return;
  file_sync_.TrimKept(self.thread, FileHandles::kMostKept).IgnoreError();
}

// Syncs the closed files, so that their entries can be used again.
void Syncer::SyncClosed(ThreadContext& self) {
  MPOOL_ASSERT(self.thread.id != 0);
  files_.ForEach([&](uint32_t index, FileEntry& entry, FileWord) {
    const bool needs_sync = !IsCovered(entry) || HasNewName(entry);
    if (IsOpenAnywhere(entry) || !needs_sync) return;
    file_sync_.SyncUntold(self.thread, index).IgnoreError();
  });
}

}  // namespace mpool::internal
