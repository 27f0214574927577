// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// file_entries.h - reads the table of page files.
//
// Concurrency: any thread calls anything at any time. A process that inspects
//              the region without being attached reads it too.

#ifndef MPOOL_MPOOL_FILES_FILE_ENTRIES_H_
#define MPOOL_MPOOL_FILES_FILE_ENTRIES_H_

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <string>

#include "mpool/files/file_entry.h"
#include "mpool/memory/frame_table.h"
#include "region/memory.h"

namespace mpool::internal {

class FileEntries {
 public:
  FileEntries(const region::Memory& memory, const FrameTable& frames)
      : memory_(memory), frames_(frames) {}

  // Returns the entry, or null if its memory is not there.
  FileEntry* At(uint32_t index) const;
  // Calls visit(index, entry, word) with each OPEN or CLOSED entry.
  template <class F>
  void ForEach(F&& visit) const;
  std::string PathOf(const FileEntry& entry) const;
  // Returns "page 7 of /path".
  std::string DescribePage(PageKey key) const;
  // True if the key belongs to a known file that no process has open.
  bool IsPageOf(PageKey key) const;

 private:
  const region::Memory& memory_;
  const FrameTable& frames_;
};

template <class F>
void FileEntries::ForEach(F&& visit) const {
  const uint32_t used = std::min(
      frames_.pool().files_used.load(std::memory_order_acquire), kMaxFiles);
  for (uint32_t i = 0; i < used; ++i) {
    FileEntry* entry = At(i);
    if (entry == nullptr) continue;
    const FileWord word =
        FileWord::Unpack(entry->word.load(std::memory_order_acquire));
    if (word.state == FileState::kOpen || word.state == FileState::kClosed) {
      visit(i, *entry, word);
    }
  }
}

}  // namespace mpool::internal

#endif  // MPOOL_MPOOL_FILES_FILE_ENTRIES_H_
