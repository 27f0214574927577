// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "mpool/write/write_back.h"

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "mpool/page/page_lsn.h"
#include "os/assert.h"
#include "os/status.h"
#include "os/step.h"

namespace mpool::internal {

bool WriteBack::Begin(ThreadContext& self, BufferHeader& header,
                      std::byte* copy, Item* item) {
  MPOOL_ASSERT(copy != nullptr && item != nullptr);
  const absl::StatusOr<EntryWord*> entry = ledger_.FreeEntry(self.thread);
  if (!entry.ok()) return false;
  uint32_t nobody = 0;
  MPOOL_STEP("mpool.write.own");
  if (!header.io_owner.compare_exchange_strong(nobody, self.thread.id,
                                               std::memory_order_seq_cst)) {
    return false;
  }
  MPOOL_STEP("mpool.write.owned");
  MPOOL_ASSERT(header.io_owner.load(std::memory_order_relaxed) ==
               self.thread.id);
  const PageKey key = header.LoadKey(std::memory_order_acquire);
  const FrameIndex frame = frames_.IndexOf(header);
  Ledger::Publish(*entry, frame, Mode::kShared);
  MPOOL_STEP("mpool.write.entered");
  bool begun = false;
  // Enters under XP too, like a thread that reads the page already. Otherwise
  // the waiting writer may wait for a reader that waits for this write. The
  // writer checks the readers again before it acquires the page.
  if (latch_.TryShared(header, key, /*reentrant=*/true) == Enter::kGranted) {
    State seen = header.Load();
    while (seen.has(State::kDirty) && !begun) {
      begun = header.Change(
          &seen, seen.Without(State::kDirty).With(State::kWriting));
    }
    if (begun) {
      MPOOL_STEP("mpool.write.writing");
      const std::span<std::byte> bytes = frames_.bytes(header);
      std::memcpy(copy, bytes.data(), bytes.size());
      *item = {&header, key, static_cast<uint32_t>(bytes.size()), copy};
    }
  }
  latch_.Withdraw(header, *entry);
  // no step: nothing was begun.
  if (!begun) header.io_owner.store(0, std::memory_order_release);
  return begun;
}

// REQUIRES: this thread is io_owner and Begin turned the page WRITING.
void WriteBack::End(BufferHeader& header, Outcome outcome) {
  MPOOL_ASSERT(header.Load().has(State::kWriting));
  MPOOL_ASSERT(header.io_owner.load(std::memory_order_relaxed) != 0);
  const bool written = outcome == Outcome::kWritten;
  MPOOL_STEP("mpool.write.end");
  latch_.ChangeAndWake(header, [&](State s) {
    return s.Without(State::kWriting)
        .With(written ? State::kUnsynced : State::kDirty);
  });
  MPOOL_STEP("mpool.write.ended");
  header.io_owner.store(0, std::memory_order_release);
  MPOOL_STEP("mpool.write.disowned");
}

absl::Status WriteBack::Write(ThreadContext& self,
                              std::vector<BufferHeader*> headers,
                              uint64_t* written) {
  MPOOL_ASSERT(self.thread.id != 0);
  // One free entry is enough, because pages are entered one at a time.
  MPOOL_RETURN_IF_ERROR(ledger_.FreeEntry(self.thread).status());
  // The keys may change during the sort. A page out of order only costs a call.
  std::vector<std::pair<PageKey, BufferHeader*>> sorted;
  sorted.reserve(headers.size());
  for (BufferHeader* header : headers) {
    MPOOL_ASSERT(header != nullptr);
    if (!header->Load().has(State::kDirty)) continue;
    sorted.emplace_back(header->LoadKey(std::memory_order_relaxed), header);
  }
  std::sort(sorted.begin(), sorted.end());
  if (self.staging == nullptr) {
    self.staging = std::make_unique<std::byte[]>(kStagingBytes);
  }
  absl::Status result;
  std::vector<Item> batch;
  size_t used = 0;
  auto flush = [&] {
    const absl::Status status = WriteBatch(self, batch, written);
    if (result.ok()) result = status;
    batch.clear();
    used = 0;
  };
  for (const auto& [key, header] : sorted) {
    // Until Begin succeeds, the frame may change to any page size.
    if (used + kMaxPageBytes > kStagingBytes) flush();
    Item item;
    if (!Begin(self, *header, self.staging.get() + used, &item)) continue;
    batch.push_back(item);
    used += item.size;
    MPOOL_ASSERT(item.size <= kMaxPageBytes && used <= kStagingBytes);
  }
  MPOOL_ASSERT(batch.size() <= sorted.size());
  flush();
  MPOOL_ASSERT(batch.empty() && used == 0);
  return result;
}

absl::Status WriteBack::WriteBatch(ThreadContext& self,
                                   const std::vector<Item>& batch,
                                   uint64_t* written) {
  MPOOL_ASSERT(self.thread.id != 0);
  absl::Status result;
  for (size_t first = 0; first < batch.size();) {
    size_t count = 1;
    while (first + count < batch.size() &&
           batch[first + count].key.bits() == batch[first].key.bits() + count) {
      ++count;
    }
    MPOOL_ASSERT(first + count <= batch.size());
    const absl::Status status = WriteRun(self, &batch[first], count);
    for (size_t i = 0; i < count; ++i) {
      End(*batch[first + i].header,
          status.ok() ? Outcome::kWritten : Outcome::kFailed);
    }
    if (status.ok() && written != nullptr) *written += count;
    if (!status.ok()) {
      if (callbacks_.on_failure != nullptr) callbacks_.on_failure(status);
      if (result.ok()) result = status;
    }
    first += count;
  }
  return result;
}

// Writes adjacent pages, which lie side by side in the staging buffer.
absl::Status WriteBack::WriteRun(ThreadContext& self, const Item* first,
                                 size_t count) {
  MPOOL_ASSERT(first != nullptr && count != 0 && first->size != 0);
  const uint32_t index = first->key.file_index();
  MPOOL_ASSERT(index < kMaxFiles);
  FileEntry& entry = *table_.At(index);
  MPOOL_RETURN_IF_ERROR(FlushLog(self, entry, first, count));
  MPOOL_ASSIGN_OR_RETURN(const std::shared_ptr<os::File> file,
                         BeginWriting(self, index));
  const os::ConstBytes bytes(first->copy, count * first->size);
  uint64_t calls = 0;
  const absl::Status status =
      page_io_.WriteRun(self.thread,
                        {.entry = entry,
                         .file = *file,
                         .first = first->key.page(),
                         .page_bytes = first->size,
                         .page_count = count,
                         .parts = {&bytes, 1}},
                        &calls);
  handles_.EndWriting(index);
  TrimNew(self);
  self.Count(Counter::writes, calls);
  if (status.ok()) self.Count(Counter::pages_written, count);
  return status;
}

// Bounds the kept descriptors after each file, so that a write of many files
// does not need a descriptor for each of them.
void WriteBack::TrimNew(ThreadContext& self) {
  if (!handles_.HasNewKept()) return;
  const absl::Status kept =
      file_sync_.TrimKept(self.thread, FileHandles::kMostKept);
  if (!kept.ok() && callbacks_.on_failure != nullptr) {
    callbacks_.on_failure(kept);
  }
}

// Releases the kept descriptors and tries again if the process is out of
// descriptors, so that kept descriptors do not make a write fail.
absl::StatusOr<std::shared_ptr<os::File>> WriteBack::BeginWriting(
    ThreadContext& self, uint32_t index) {
  absl::StatusOr<std::shared_ptr<os::File>> file = handles_.BeginWriting(index);
  if (!os::IsOutOfDescriptors(file.status())) return file;
  file_sync_.TrimKept(self.thread, 0).IgnoreError();
  return handles_.BeginWriting(index);
}

// Applies the write-ahead rule: the log of a change is durable before the page.
absl::Status WriteBack::FlushLog(const ThreadContext& self,
                                 const FileEntry& entry, const Item* first,
                                 size_t count) {
  MPOOL_ASSERT(first != nullptr && count != 0);
  if (!HasLsn(entry)) return absl::OkStatus();
  if (callbacks_.log_flush == nullptr) {
    return absl::FailedPreconditionError(absl::StrCat(
        "write back pages of ", table_.PathOf(entry), ": the file has an "
        "lsn_offset, and this process no EnvOptions::log_flush; leave it to "
        "one that has"));
  }
  Lsn highest;
  for (size_t i = 0; i < count; ++i) {
    highest = std::max(highest,
                       LoadLsn(entry, {first[i].copy, first[i].size}));
  }
  if (highest == Lsn{}) return absl::OkStatus();
  const CallbackScope scope(self.generation);
  const absl::Status flushed = callbacks_.log_flush(highest);
  if (flushed.ok()) return flushed;
  return absl::Status(
      flushed.code(),
      absl::StrCat("write back pages of ", table_.PathOf(entry),
                   ": EnvOptions::log_flush up to ", highest.file, "/",
                   highest.offset, " failed: ", flushed.message()));
}

}  // namespace mpool::internal
