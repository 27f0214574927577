// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "tools/replay/page_promises.h"

#include <utility>

#include "os/status.h"
#include "tools/replay/page_content.h"

namespace mpool::tools {

PagePromises::PagePromises(uint64_t file_hash, SharedArray<Promise> pages,
                           SharedArray<WorkerState> workers)
    : file_hash_(file_hash),
      pages_(std::move(pages)),
      workers_(std::move(workers)) {}

absl::StatusOr<PagePromises> PagePromises::Make(uint64_t file_hash,
                                                uint64_t page_count,
                                                uint32_t worker_count) {
  MPOOL_ASSIGN_OR_RETURN(SharedArray<Promise> pages,
                         SharedArray<Promise>::Make(page_count));
  MPOOL_ASSIGN_OR_RETURN(SharedArray<WorkerState> workers,
                         SharedArray<WorkerState>::Make(worker_count));
  return PagePromises(file_hash, std::move(pages), std::move(workers));
}

std::optional<uint32_t> PagePromises::VersionOf(
    uint64_t page, std::span<const std::byte> bytes, std::string* why) {
  const uint64_t begun = pages_[page].begun.load();
  const uint32_t version = static_cast<uint32_t>(begun >> 32);
  const uint32_t writer = static_cast<uint32_t>(begun);
  *why = CheckPage({file_hash_, page, version}, bytes);
  if (why->empty()) return version;
  if (version == 0 || workers_[writer].doom.load() == Doom::kNone) {
    return std::nullopt;
  }
  // The writer was killed in its update, so the page is as at the last put.
  if (!CheckPage({file_hash_, page, version - 1}, bytes).empty()) {
    return std::nullopt;
  }
  return version - 1;
}

uint32_t PagePromises::LostUpdates(uint64_t page, uint32_t version) {
  const uint32_t completed = pages_[page].completed.load();
  return completed > version ? completed - version : 0;
}

void PagePromises::Begin(uint64_t page, uint32_t version, uint32_t worker) {
  pages_[page].begun.store(uint64_t{version} << 32 | worker);
}

void PagePromises::Complete(uint64_t page, uint32_t version) {
  RaiseTo(pages_[page].completed, version);
}

}  // namespace mpool::tools
