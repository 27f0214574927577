// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "mpool/memory/page_index.h"

#include "os/status.h"

namespace mpool::internal {

absl::Status PageIndex::Ensure(const region::Thread& self,
                               uint32_t page_bytes) {
  PoolHeader& pool = frames_.pool();
  const region::FixedHeader& fixed = memory_.fixed();
  const uint64_t indexed_bytes = fixed.max_is_default != 0
                                     ? fixed.cache_bytes
                                     : fixed.max_cache_bytes;
  const uint32_t need = HashTable::BucketsFor(indexed_bytes / page_bytes);
  const uint64_t old = pool.buckets.load(std::memory_order_relaxed);
  if (pool.files_used.load() != 0) return absl::OkStatus();
  // A thread that died while it replaced the table left the count of the old
  // one.
  const auto there = static_cast<uint32_t>(memory_.heap().SizeOf(old) /
                                           sizeof(Bucket));
  // no step: a smaller count is valid too, and this table is empty.
  if (there != pool.bucket_count.load()) pool.bucket_count.store(there);
  if (there >= need) return absl::OkStatus();
  MPOOL_RETURN_IF_ERROR(memory_.heap()
                            .AllocateLinked(self, need * sizeof(Bucket),
                                            kLineBytes, &pool.buckets,
                                            /*prepare=*/nullptr, old)
                            .status());
  // no step: a smaller count is valid too.
  pool.bucket_count.store(need, std::memory_order_release);
  return absl::OkStatus();
}

void PageIndex::AttachHandle(HashTable* handle) const {
  const PoolHeader& pool = frames_.pool();
  const uint32_t count = pool.bucket_count.load(std::memory_order_acquire);
  handle->Attach(pool.buckets.load(std::memory_order_acquire), count);
}

bool PageIndex::Refresh() {
  if (frames_.pool().files_used.load(std::memory_order_acquire) == 0) {
    return false;
  }
  Attach();
  return true;
}

bool PageIndex::Holds(const region::Thread& self, const BufferHeader& header) {
  if (!Refresh()) return false;
  const uint64_t hash = HashTable::Hash(header.LoadKey());
  region::LatchGuard guard(self, table_.bucket(hash).latch);
  return table_.Names(hash, frames_.IndexOf(header));
}

void PageIndex::Remove(const region::Thread& self, const BufferHeader& header) {
  const uint64_t hash = HashTable::Hash(header.LoadKey());
  region::LatchGuard guard(self, table_.bucket(hash).latch);
  table_.Remove(hash, frames_.IndexOf(header));
}

void PageIndex::TakeSizeOfChunk() {
  PoolHeader& pool = frames_.pool();
  // no step: no other process is attached.
  pool.bucket_count.store(static_cast<uint32_t>(
      memory_.heap().SizeOf(pool.buckets.load()) / sizeof(Bucket)));
  Attach();
}

}  // namespace mpool::internal
