// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "mpool/files/file_entries.h"

#include <cstring>

#include "absl/strings/str_cat.h"
#include "os/quote.h"

namespace mpool::internal {

FileEntry* FileEntries::At(uint32_t index) const {
  if (index >= kMaxFiles) return nullptr;
  const uint64_t block = frames_.pool().file_blocks[index / kFilesPerBlock]
                             .load(std::memory_order_acquire);
  if (block == 0 ||
      !memory_.Contains(block, kFilesPerBlock * sizeof(FileEntry))) {
    return nullptr;
  }
  return memory_.At<FileEntry>(block) + index % kFilesPerBlock;
}

std::string FileEntries::PathOf(const FileEntry& entry) const {
  const uint64_t offset = entry.path.load(std::memory_order_acquire);
  const uint64_t size = memory_.heap().SizeOf(offset);
  if (size == 0) return "";
  const char* text = memory_.At<char>(offset);
  return std::string(text, strnlen(text, size));
}

std::string FileEntries::DescribePage(PageKey key) const {
  const FileEntry* entry = At(key.file_index());
  return absl::StrCat("page ", key.page(), " of ",
                      entry == nullptr ? "a file" : os::Quoted(PathOf(*entry)));
}

bool FileEntries::IsPageOf(PageKey key) const {
  const FileEntry* entry = At(key.file_index());
  if (entry == nullptr) return false;
  const FileWord word = FileWord::Unpack(entry->word.load());
  return word.state == FileState::kClosed &&
         key.file_key() == PageKey::FileKey(key.file_index(), word.generation);
}

}  // namespace mpool::internal
