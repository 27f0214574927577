// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// files_adopt.cc - closes the files that dead processes had open.
// no step file: no other process is attached, and each part ends with a step.

#include "mpool/files/files.h"
#include "os/step.h"

namespace mpool::internal {

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
      entry->device.store(region_.home_files().identity().device);
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
