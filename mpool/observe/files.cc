// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "mpool/observe/files.h"

#include <cstring>
#include <map>

#include "absl/strings/str_cat.h"
#include "os/assert.h"

namespace mpool::internal {
namespace {

// Adds the page of a frame to the counts of its file.
void Count(const BufferHeader& header, FileUse* use) {
  const State s = header.Load();
  if (s.phase() == Phase::kPoisoned) {
    ++use->pages_lost;
    return;
  }
  if (s.phase() != Phase::kValid && s.phase() != Phase::kEvicting) return;
  ++use->pages_resident;
  if (s.has(State::kDirty | State::kWriting)) ++use->pages_dirty;
  if (s.has(State::kUnsynced)) ++use->pages_unsynced;
}

std::string ErrorOf(const FileEntry& entry) {
  const StickyError error = StickyError::Unpack(entry.sticky.load());
  if (error.error == 0) return "";
  return absl::StrCat("fsync failed: ",
                      std::strerror(static_cast<int>(error.error)),
                      error.lost ? "; changes may be lost" : "");
}

}  // namespace

std::vector<FileUse> FilesOf(const region::ThreadSlots& threads,
                             const FrameTable& frames,
                             const FileEntries& files) {
  MPOOL_ASSERT(frames.IsAttached());
  std::map<PageKey, FileUse> uses;
  files.ForEach([&](uint32_t index, const FileEntry& entry, FileWord word) {
    FileUse& use = uses[PageKey::FileKey(index, word.generation)];
    use.path = files.PathOf(entry);
    use.page_size = entry.page_bytes.load();
    use.page_count = entry.page_count.load();
    use.error = ErrorOf(entry);
    for (uint32_t process = 1; process <= kMaxProcesses; ++process) {
      const uint32_t bit = process - 1;
      if ((entry.open_bits[bit / 64].load() >> bit % 64 & 1) != 0) {
        use.openers.push_back(static_cast<int>(threads.PidOf(process)));
      }
    }
  });
  frames.ForEachHeader([&](const BufferHeader& header) {
    const auto use = uses.find(header.LoadKey().file_key());
    if (use != uses.end()) Count(header, &use->second);
  });
  std::vector<FileUse> result;
  for (auto& [key, use] : uses) result.push_back(std::move(use));
  return result;
}

std::vector<LostPage> LostPagesOf(const FrameTable& frames,
                                  const FileEntries& files) {
  MPOOL_ASSERT(frames.IsAttached());
  std::vector<LostPage> lost;
  frames.ForEachHeader([&](const BufferHeader& header) {
    if (header.Load().phase() != Phase::kPoisoned) return;
    const PageKey key = header.LoadKey();
    const FileEntry* entry = files.At(key.file_index());
    if (entry == nullptr) return;
    lost.push_back({.path = files.PathOf(*entry),
                    .page = key.page(),
                    .pid = static_cast<int>(header.poisoned_by.load())});
  });
  return lost;
}

}  // namespace mpool::internal
