// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "mpool/get/loader.h"

#include <algorithm>
#include <span>
#include <utility>

#include "absl/strings/str_cat.h"
#include "mpool/files/page_io.h"
#include "os/assert.h"
#include "os/status.h"
#include "os/step.h"

namespace mpool::internal {
namespace {

// A file size in bytes that any file system supports: 2 GiB.
constexpr uint64_t kEveryFileHolds = uint64_t{1} << 31;

// Returns OutOfRange if the file system cannot hold the page, because such a
// page could never be written.
absl::Status CheckCanHold(const OpenedFile& file, PageNo page) {
  MPOOL_ASSERT(file.page_bytes != 0 && file.file != nullptr);
  const uint64_t end = (page + 1) * file.page_bytes;
  if (end <= kEveryFileHolds || file.file->CanHold(end)) {
    return absl::OkStatus();
  }
  return absl::OutOfRangeError(absl::StrCat(
      "make page ", page, " of ", file.path,
      ": its file system has no files "
      "of ",
      end, " bytes; use smaller page numbers, or another file system"));
}

// Raises the page count so that it covers `page`. False if it did already.
// no step below: a page below the count that is not on disk reads as cleared.
bool Extend(FileEntry& entry, PageNo page) {
  uint64_t count = entry.page_count.load(std::memory_order_acquire);
  while (count <= page) {
    if (entry.page_count.compare_exchange_weak(count, page + 1,
                                               std::memory_order_acq_rel)) {
      return true;
    }
  }
  return false;
}

}  // namespace

absl::StatusOr<std::optional<Granted>> Loader::Load(ThreadContext& self,
                                                    const Request& request) {
  FileEntry& entry = *request.file->entry;
  bool exists = !request.is_new;
  const bool grows =
      request.page >= entry.page_count.load(std::memory_order_acquire);
  if (grows) {
    if (!request.create || request.file->read_only) {
      return absl::NotFoundError(
          absl::StrCat("get page ", request.page, " of ", request.file->path,
                       ": the file has ", entry.page_count.load(),
                       " pages; make it with New or GetOptions::create"));
    }
    MPOOL_RETURN_IF_ERROR(CheckCanHold(*request.file, request.page));
    MPOOL_RETURN_IF_ERROR(
        files_.page_io().CutTail(self.thread, entry, *request.file->file));
  }
  BufferHeader* header = std::exchange(request.frame, nullptr);
  if (header == nullptr) {
    MPOOL_ASSIGN_OR_RETURN(
        header, supply_.Take(self, request.file->page_class, request.deadline));
  }
  AssertOwned(*header, self.thread.id);
  AssertPhase(*header, Phase::kLoading);
  // The count is raised once there is a frame for the page, so that a failed
  // get makes no page.
  if (grows) exists = !Extend(entry, request.page);
  header->key.store(request.key.bits(), std::memory_order_release);
  MPOOL_STEP("mpool.load.keyed");
  absl::StatusOr<bool> published = PublishSlot(self, request, *header);
  if (!published.ok() || !*published) {
    frames_.GiveBack(self.thread, *header);
    MPOOL_RETURN_IF_ERROR(published.status());
    return std::nullopt;
  }
  const bool reads = exists && !request.overwrite;
  absl::Status status =
      reads ? Read(self, request, *header) : absl::OkStatus();
  if (!reads) Clear(*header);
  if (!exists) self.Count(Counter::pages_created);
  // The page is not DIRTY. So if its writer dies, repair drops the frame, and
  // the file has the last put.
  request.is_unread = exists && !reads;
  absl::StatusOr<EntryWord*> ledger_entry = ledger_.FreeEntry(self.thread);
  if (status.ok()) status = ledger_entry.status();
  if (!status.ok()) {
    Unload(self, request, *header);
    return status;
  }
  AssertOwned(*header, self.thread.id);
  AssertPhase(*header, Phase::kLoading);
  Ledger::Publish(*ledger_entry, frames_.IndexOf(*header), request.mode);
  MPOOL_STEP("mpool.load.entered");
  header->reference.store(0, std::memory_order_relaxed);
  const bool exclusive = request.mode == Mode::kExclusive;
  if (exclusive) Ledger::NoteTime(*ledger_entry);
  const bool dirty = !exists && !exclusive;
  latch_.ChangeAndWake(*header, [&](State s) {
    const State valid = s.WithPhase(Phase::kValid);
    if (exclusive) return valid.With(State::kX);
    return valid.WithOwner(0).With(State::kHint |
                                   (dirty ? State::kDirty : uint64_t{0}));
  });
  MPOOL_STEP("mpool.load.valid");
  NoteMiss(self, *header, request.access);
  return Granted{header, *ledger_entry};
}

// Publishes the slot of the loading page. False if another thread has published
// the page in between. Returns the errors of the heap.
absl::StatusOr<bool> Loader::PublishSlot(ThreadContext& self,
                                         const Request& request,
                                         BufferHeader& header) {
  AssertOwned(header, self.thread.id);
  AssertPhase(header, Phase::kLoading);
  const FrameIndex frame = frames_.IndexOf(header);
  HashTable& table = index_.table();
  auto& latch = table.bucket(request.hash).latch;
  // The frame has the key already, but no slot names it yet.
  auto present = [&] {
    return !table.Find(request.hash, request.key).is_none();
  };
  {
    region::LatchGuard guard(self.thread, latch);
    MPOOL_STEP("mpool.load.bucket");
    if (present()) return false;
    if (table.Insert(request.hash, frame)) return true;
  }
  MPOOL_ASSIGN_OR_RETURN(const uint64_t line,
                         memory_.heap().Allocate(
                             self.thread, sizeof(Bucket), kLineBytes));
  bool linked = false;
  bool inserted = false;
  {
    region::LatchGuard guard(self.thread, latch);
    if (!present()) {
      inserted = table.Insert(request.hash, frame);
      linked = !inserted;
      if (linked) table.InsertWithLine(request.hash, frame, line);
    }
  }
  MPOOL_ASSERT(!linked || !inserted);
  if (!linked)
    MPOOL_RETURN_IF_ERROR(memory_.heap().Free(self.thread, line));
  return linked || inserted;
}

// The one place that sees every miss. Sampling and recording hook in here.
void Loader::NoteMiss(ThreadContext& self, BufferHeader& header,
                      Access access) {
  policy_->Inserted(self, header, access);
  self.Count(Counter::misses);
}

absl::Status Loader::Read(ThreadContext& self, const Request& request,
                          BufferHeader& header) {
  AssertOwned(header, self.thread.id);
  MPOOL_RETURN_IF_ERROR(
      PageIo::Read(*request.file, request.page, frames_.bytes(header)));
  self.Count(Counter::pages_read);
  return absl::OkStatus();
}

// Clears a page that is created or overwritten.
void Loader::Clear(BufferHeader& header) {
  AssertPhase(header, Phase::kLoading);
  const std::span<std::byte> bytes = frames_.bytes(header);
  std::fill(bytes.begin(), bytes.end(), std::byte{0});
}

// Frees slot and frame after a failed read. The waiters search for the page
// again.
// no step below: repair does the same for a frame that is LOADING.
void Loader::Unload(ThreadContext& self, const Request& request,
                    BufferHeader& header) {
  AssertOwned(header, self.thread.id);
  AssertPhase(header, Phase::kLoading);
  HashTable& table = index_.table();
  {
    region::LatchGuard guard(self.thread, table.bucket(request.hash).latch);
    table.Remove(request.hash, frames_.IndexOf(header));
  }
  latch_.ChangeAndWake(header, [](State s) { return s.Bare(); });
  frames_.queues().PushFree(self.thread, header);
}

}  // namespace mpool::internal
