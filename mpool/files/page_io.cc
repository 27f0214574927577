// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "mpool/files/page_io.h"

#include <algorithm>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "mpool/files/page_format.h"
#include "os/assert.h"
#include "os/clock.h"
#include "os/status.h"
#include "os/step.h"

namespace mpool::internal {

absl::Status PageIo::Read(const OpenedFile& file, uint64_t page,
                          std::span<std::byte> bytes) {
  MPOOL_ASSERT(file.entry != nullptr && file.file != nullptr);
  MPOOL_ASSERT(!bytes.empty());
  const uint64_t offset = OffsetOf(page, file.page_bytes);
  // seen_size is loaded before the read, because the file may grow.
  const uint64_t seen_size =
      file.entry->seen_size.load(std::memory_order_acquire);
  MPOOL_STEP("mpool.load.read");
  MPOOL_ASSIGN_OR_RETURN(size_t got, file.file->ReadAt(offset, bytes));
  MPOOL_ASSERT(got <= bytes.size());
  const bool was_whole = offset + bytes.size() <= seen_size;
  if (got != bytes.size() && was_whole) {
    return absl::DataLossError(absl::StrCat(
        "get page ", page, " of ", file.path, ": the file ends ", got,
        " bytes into it; it was cut by others: restore it"));
  }
  // A partial page is no page.
  if (got != bytes.size()) got = 0;
  file.entry->pages_read.fetch_add(1, std::memory_order_relaxed);
  std::fill(bytes.begin() + static_cast<ptrdiff_t>(got), bytes.end(),
            std::byte{0});
  return absl::OkStatus();
}

absl::Status PageIo::WriteRun(const region::Thread& self, const Run& run,
                              uint64_t* calls) {
  MPOOL_ASSERT(calls != nullptr && self.id != 0);
  MPOOL_ASSERT(run.page_bytes != 0 && run.page_count != 0);
  size_t size = 0;
  for (const os::ConstBytes& part : run.parts) size += part.size();
  MPOOL_ASSERT(size == run.page_count * run.page_bytes);
  const uint64_t begin = OffsetOf(run.first, run.page_bytes);
  watch_.BeginWrite(self, run.entry);
  if (MayHaveLostWrites(run.entry)) run.file.DropCache(begin, size);
  const absl::Status status =
      run.file.WriteAtGathered(begin, run.parts, calls);
  if (!status.ok()) {
    CutPartialPage(self, run.entry, run.file, begin, begin + size);
  }
  watch_.EndWrite(run.entry, run.file, status.ok() ? run.page_count : 0);
  return status;
}

// Makes this thread the cutter of the file. If it is not, `other` is the
// cutter.
// no step below: its callers pass steps.
bool PageIo::ClaimCutter(const region::Thread& self, FileEntry& entry,
                         uint32_t* other) {
  MPOOL_ASSERT(self.id != 0);
  *other = 0;
  return entry.cutter.compare_exchange_strong(*other, self.id,
                                              std::memory_order_seq_cst);
}

// REQUIRES: this thread is the cutter.
// no step below: its callers pass steps.
void PageIo::ReleaseCutter(const region::Thread& self, FileEntry& entry) {
  MPOOL_ASSERT(entry.cutter.load(std::memory_order_relaxed) == self.id);
  entry.cutter.store(0, std::memory_order_seq_cst);
}

// Cuts off the partial page that a failed write of [begin, end) may have left
// at the end of the file. Does nothing if another write is under way. Without
// the cut, the file would have a size that is not a multiple of the page size
// until the page is written again.
// REQUIRES: between BeginWrite and EndWrite.
void PageIo::CutPartialPage(const region::Thread& self, FileEntry& entry,
                            const os::File& file, uint64_t begin,
                            uint64_t end) {
  MPOOL_ASSERT(begin < end);
  MPOOL_ASSERT(entry.write_count.load() != 0);
  uint32_t other = 0;
  MPOOL_STEP("mpool.cut.claim");
  if (!ClaimCutter(self, entry, &other)) return;
  MPOOL_STEP("mpool.cut.claimed");
  const bool alone = FileWatch::IsAlone(entry, /*own_writes=*/1);
  const absl::StatusOr<os::FileInfo> info = file.Info();
  const uint64_t page_bytes = entry.page_bytes.load();
  if (alone && info.ok() && info->size_bytes > begin &&
      info->size_bytes < end &&
      PartialBytes(info->size_bytes, page_bytes) != 0) {
    // If this fails, the page is still dirty and will be written as a whole.
    const uint64_t whole = WholeBytes(info->size_bytes, page_bytes);
    // An earlier write may have seen the partial page.
    if (file.Resize(whole).ok()) entry.seen_size.store(whole);
    MPOOL_STEP("mpool.cut.done");
  }
  ReleaseCutter(self, entry);
  MPOOL_STEP("mpool.cut.over");
}

// True if the file ends with a whole page now. False if another thread writes
// or cuts. It counts as no write, because no page is WRITING during it. The
// cutter and the counts exclude writers, as in CutPartialPage.
absl::StatusOr<bool> PageIo::TryCutTail(const region::Thread& self,
                                        FileEntry& entry,
                                        const os::File& file) {
  uint32_t other = 0;
  MPOOL_STEP("mpool.tail.claim");
  if (!ClaimCutter(self, entry, &other)) {
    repairer_.RepairIfDead(other, self.id);
    return false;
  }
  MPOOL_STEP("mpool.tail.claimed");
  const absl::Cleanup release = [&] {
    ReleaseCutter(self, entry);
    MPOOL_STEP("mpool.tail.over");
  };
  if (!FileWatch::IsAlone(entry, /*own_writes=*/0)) return false;
  MPOOL_ASSIGN_OR_RETURN(os::FileInfo info, file.Info());
  const uint64_t whole = WholeBytes(info.size_bytes, entry.page_bytes.load());
  if (whole != info.size_bytes) {
    MPOOL_RETURN_IF_ERROR(file.Resize(whole));
    MPOOL_STEP("mpool.tail.done");
    MPOOL_ASSIGN_OR_RETURN(info, file.Info());
    FileWatch::SetSeen(entry, info, Settled::kNo);
  }
  return true;
}

absl::Status PageIo::CutTail(const region::Thread& self, FileEntry& entry,
                             const os::File& file) {
  MPOOL_ASSERT(self.id != 0 && file.is_open());
  const uint64_t page_bytes = entry.page_bytes.load(std::memory_order_relaxed);
  if (PartialBytes(entry.seen_size.load(std::memory_order_acquire),
                   page_bytes) == 0) {
    return absl::OkStatus();
  }
  const os::Deadline patience(absl::Seconds(10));
  while (true) {
    const absl::StatusOr<bool> is_cut = TryCutTail(self, entry, file);
    if (!is_cut.ok()) {
      return absl::Status(is_cut.status().code(),
                          absl::StrCat("make a page of ", file.path(), ": ",
                                       is_cut.status().message()));
    }
    if (*is_cut) return absl::OkStatus();
    if (patience.passed()) {
      return absl::UnavailableError(absl::StrCat(
          "make a page of ", file.path(), ": the file ends with a part of a "
          "page, which could not be cut off beside other writes; try again"));
    }
    // A dead writer does not end its write.
    RepairReport report;
    repairer_.RepairAll(self, &report);
    os::Sleep(absl::Milliseconds(1));
  }
}

}  // namespace mpool::internal
