// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "mpool/pool/signature.h"

#include <cstddef>

#include "mpool/files/file_handles.h"
#include "mpool/files/file_table.h"
#include "mpool/files/page_io.h"
#include "mpool/memory/frame_table.h"
#include "mpool/page/buffer_header.h"
#include "mpool/page/hash_table.h"
#include "mpool/page/thread_context.h"
#include "region/layout.h"
#include "region/shalloc.h"

namespace mpool::internal {
namespace {

constexpr uint32_t Mixed(uint32_t hash, uint64_t value) {
  for (int i = 0; i < 8; ++i) {
    hash = (hash ^ static_cast<uint32_t>(value >> (8 * i) & 0xff)) * 16777619u;
  }
  return hash;
}

}  // namespace

uint32_t LayoutSignature() {
  constexpr uint64_t kSizes[] = {
      sizeof(region::RegionHeader),
      offsetof(region::RegionHeader, magic),
      offsetof(region::RegionHeader, panic),
      offsetof(region::RegionHeader, thread_blocks),
      offsetof(region::RegionHeader, home_handle),
      offsetof(region::RegionHeader, home_path),
      sizeof(region::ProcessSlot),
      sizeof(region::ThreadSlot),
      offsetof(region::ThreadSlot, entries),
      offsetof(region::ThreadSlot, counters),
      offsetof(region::ThreadSlot, images),
      sizeof(region::Image),
      sizeof(region::LedgerOverflow),
      sizeof(region::Chunk),
      sizeof(BufferHeader),
      offsetof(BufferHeader, place),
      offsetof(BufferHeader, io_owner),
      offsetof(BufferHeader, reference),
      sizeof(Bucket),
      offsetof(Bucket, slots),
      sizeof(PoolHeader),
      offsetof(PoolHeader, classes),
      sizeof(ClassHeader),
      sizeof(Extent),
      sizeof(FileEntry),
      offsetof(FileEntry, open_bits),
      offsetof(FileEntry, fsync_mark),
      offsetof(FileEntry, sticky),
      offsetof(FileEntry, cutter),
      offsetof(FileEntry, opens),
      offsetof(FileEntry, name_unsynced),
      static_cast<uint64_t>(State::kOwnerShift),
      static_cast<uint64_t>(Counter::kCount),
  };
  uint32_t hash = 2166136261u;
  for (const uint64_t size : kSizes) hash = Mixed(hash, size);
  return hash;
}

}  // namespace mpool::internal
