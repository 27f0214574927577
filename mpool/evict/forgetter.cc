// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "mpool/evict/forgetter.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "mpool/files/presence.h"
#include "mpool/files/page_format.h"
#include "os/assert.h"
#include "os/status.h"
#include "os/step.h"

namespace mpool::internal {

absl::Status Forgetter::Forget(ThreadContext& self, uint32_t index,
                               FileTable::Fate fate, Forgotten* forgotten) {
  MPOOL_ASSERT(forgotten != nullptr);
  files_.AssertLatched(self.thread);
  forgotten->path = files_.PathOf(*files_.At(index));
  return files_.Forget(self.thread, index, fate, [&](uint32_t file) {
    return evictor_.DiscardFile(self, file, &forgotten->pages);
  });
}

bool Forgetter::ForgetIfGone(ThreadContext& self, uint32_t index) {
  FileEntry* entry = files_.At(index);
  if (entry == nullptr) return false;
  const FileWord word = FileWord::Unpack(entry->word.load());
  if ((word.state != FileState::kOpen && word.state != FileState::kClosed) ||
      IsOpenAnywhere(*entry) ||
      PresenceOf(files_, *entry) != os::Presence::kGone) {
    return false;
  }
  Forgotten forgotten;
  {
    region::LatchGuard guard(self.thread, files_.latch());
    // The proof is about the file of this generation. A file without a name
    // cannot be opened again.
    const FileWord now = FileWord::Unpack(entry->word.load());
    if (now.Pack() != word.Pack() ||
        !Forget(self, index, FileTable::Fate::kGone, &forgotten).ok()) {
      return false;
    }
  }
  if (report_ != nullptr) report_(forgotten);
  return true;
}

uint32_t Forgetter::Sweep(ThreadContext& self) {
  std::vector<uint32_t> closed;
  files_.ForEach([&](uint32_t index, FileEntry& entry, FileWord) {
    if (!IsOpenAnywhere(entry)) closed.push_back(index);
  });
  uint32_t forgotten = 0;
  for (const uint32_t index : closed) {
    if (ForgetIfGone(self, index)) ++forgotten;
  }
  return forgotten;
}

absl::StatusOr<Forgotten> Forgetter::Discard(ThreadContext& self,
                                             uint32_t index,
                                             const os::File* file) {
  MPOOL_ASSERT(index < kMaxFiles);
  Forgotten forgotten;
  uint64_t size = 0;
  if (file != nullptr) {
    MPOOL_ASSIGN_OR_RETURN(const os::FileInfo info, file->Info());
    size = info.size_bytes;
  }
  region::LatchGuard guard(self.thread, files_.latch());
  const absl::Status status =
      Forget(self, index, FileTable::Fate::kStays, &forgotten);
  if (status.ok()) {
    // Pages that were never written exist no more. An open of a closed file
    // counts its pages again.
    FileEntry& entry = *files_.At(index);
    entry.page_count.store(PagesIn(size, entry.page_bytes.load()));
    MPOOL_STEP("mpool.forget.uncounted");
    return forgotten;
  }
  return absl::Status(
      status.code(), absl::StrCat("discard the pages of ", forgotten.path,
                                  ": ", status.message()));
}

}  // namespace mpool::internal
