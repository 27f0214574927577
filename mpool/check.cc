// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// check.cc - whether the pool's tables are where and what they must be, before
// any of them is used.
//
// Sizes and places follow from the cache's size, which the region's header has
// under a CRC, and each table is a chunk of the heap of its own. So a wrong
// offset, size or index is told from a right one without trusting any of them.
// Reads only.

#include "absl/strings/str_cat.h"
#include "mpool/pool.h"

namespace mpool::internal {
namespace {

absl::Status Damaged(std::string_view what) {
  return absl::DataLossError(absl::StrCat("its ", std::string(what),
                                          " is damaged"));
}

}  // namespace

// Each table once; what is in them comes after.
absl::Status FrameTable::CheckPlaces(region::Reachable* reached) const {
  const uint64_t root =
      region_.header()->root.load(std::memory_order_acquire);
  if (!reached->Add(root, sizeof(PoolHeader))) return Damaged("root");
  const auto& pool = *region_.At<PoolHeader>(root);
  const uint64_t cache = region_.fixed().cache_bytes;
  if (pool.cache_bytes != cache || pool.extent_bytes != ExtentBytes(cache) ||
      pool.extent_count != ExtentCount(cache)) {
    return Damaged("pool header");
  }
  const uint64_t count = pool.extent_count;
  if (!reached->Add(pool.extents.load(), count * sizeof(Extent))) {
    return Damaged("table of extents");
  }
  if (!reached->Add(pool.rings.load(), count * kPageClasses * 4)) {
    return Damaged("table of rings");
  }
  if (!reached->Add(pool.headers.load(),
                    LargePageHeaders(cache) * sizeof(BufferHeader))) {
    return Damaged("table of buffer headers");
  }
  if (!reached->Add(pool.frames.load(), cache)) return Damaged("page memory");
  return absl::OkStatus();
}

absl::Status FrameTable::CheckExtent(uint32_t index,
                                     region::Reachable* reached) const {
  const Extent& extent = extents_[index];
  const uint64_t begin = uint64_t{index} * pool_->extent_bytes;
  const uint64_t size = std::min<uint64_t>(pool_->extent_bytes,
                                           pool_->cache_bytes - begin);
  if (extent.offset != pool_->frames.load() + begin ||
      extent.size_bytes != size) {
    return Damaged("table of extents");
  }
  const uint64_t headers = extent.headers.load(std::memory_order_acquire);
  const bool cut = index < pool_->extents_used.load(std::memory_order_acquire);
  if (!cut) {
    // What a cutter that died had made is used by the next.
    const bool own = headers != 0 && headers != HeadersOfLarge(index);
    return own && !reached->Add(headers, 1) ? Damaged("table of extents")
                                            : absl::OkStatus();
  }
  const uint32_t page_class = extent.page_class.load() - 1;
  if (page_class >= kPageClasses) return Damaged("table of extents");
  const uint64_t frames = size / ClassBytes(page_class);
  const bool found =
      ClassBytes(page_class) >= kHeaderPageBytes
          ? headers == HeadersOfLarge(index)
          : reached->Add(headers, frames * sizeof(BufferHeader));
  if (!found || extent.frames.load() != frames) {
    return Damaged("table of extents");
  }
  return absl::OkStatus();
}

bool FrameTable::HoldsPages(uint32_t index) const {
  const uint32_t page_class = extents_[index].page_class.load() - 1;
  const uint64_t headers = extents_[index].headers.load();
  const uint64_t frames = extents_[index].frames.load();
  if (page_class >= kPageClasses ||
      frames > extents_[index].size_bytes / kMinPageBytes ||
      !region_.Contains(headers, frames * sizeof(BufferHeader))) {
    return true;
  }
  const BufferHeader* first = region_.At<BufferHeader>(headers);
  return std::any_of(first, first + frames, [](const BufferHeader& header) {
    return header.Load().phase() != Phase::kFree;
  });
}

absl::Status FrameTable::Check(bool alone, region::Reachable* reached) {
  MPOOL_RETURN_IF_ERROR(CheckPlaces(reached));
  Attach();
  const uint32_t used = pool_->extents_used.load(std::memory_order_acquire);
  if (used > pool_->extent_count) return Damaged("pool header");
  // A cutter at work changes the first that is not in use.
  const uint32_t end = alone ? pool_->extent_count : used;
  for (uint32_t i = 0; i < end; ++i) {
    MPOOL_RETURN_IF_ERROR(CheckExtent(i, reached));
    // Those behind were never touched, and of the first a cutter that died may
    // have made the headers.
    const bool begun = extents_[i].page_class.load() != 0;
    if (i > used && begun) return Damaged("pool header");
    if (i == used && begun && HoldsPages(i)) return Damaged("pool header");
  }
  return absl::OkStatus();
}

absl::Status Pool::Check(bool alone, region::Reachable* reached) {
  MPOOL_RETURN_IF_ERROR(frames_.Check(alone, reached));
  const PoolHeader& pool = frames_.pool();
  // Until the first file is known the table may be replaced. Its size follows
  // from the chunk's when nobody is there; see Adopt.
  if (alone || pool.files_used.load(std::memory_order_acquire) != 0) {
    const uint64_t count =
        alone ? 1 : pool.bucket_count.load(std::memory_order_acquire);
    if (count == 0 ||
        !reached->Add(pool.buckets.load(), count * sizeof(Bucket))) {
      return Damaged("hash table");
    }
  }
  for (const std::atomic<uint64_t>& block : pool.file_blocks) {
    const uint64_t offset = block.load(std::memory_order_acquire);
    if (offset != 0 &&
        !reached->Add(offset, kFilesPerBlock * sizeof(FileEntry))) {
      return Damaged("table of files");
    }
  }
  return absl::OkStatus();
}

}  // namespace mpool::internal
