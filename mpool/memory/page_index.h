// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// page_index.h - the place and the size of the hash table in the region.
//
// Role:        makes the table, finds it, and replaces it while it is empty.
//              HashTable is only a handle on a table of known place.
// Concurrency: Ensure and Attach need the files latch if another thread may
//              open a file. The other calls are thread-safe.
// Invariants:  once a file is known, the table is never replaced, so a handle
//              that was attached after that moment stays valid.
// Crash:       the table's place and its count are two words. A thread that
//              died between them left the smaller count, which is valid too.

#ifndef MPOOL_MPOOL_MEMORY_PAGE_INDEX_H_
#define MPOOL_MPOOL_MEMORY_PAGE_INDEX_H_

#include <cstdint>

#include "absl/status/status.h"
#include "mpool/memory/frame_table.h"
#include "mpool/page/hash_table.h"
#include "region/memory.h"

namespace mpool::internal {

class PageIndex {
 public:
  PageIndex(region::Memory& memory, FrameTable& frames)
      : memory_(memory), frames_(frames), table_(memory) {}

  HashTable& table() { return table_; }
  const HashTable& table() const { return table_; }

  // Makes a table that fits the largest cache with pages of `page_bytes`. It
  // replaces a smaller table only if no file was ever known.
  // REQUIRES: the files latch, except at creation.
  absl::Status Ensure(const region::Thread& self, uint32_t page_bytes);
  // Attaches to the present table.
  void Attach() { AttachHandle(&table_); }
  // Attaches another handle to the present table.
  void AttachHandle(HashTable* handle) const;
  // Attaches to the table; needed where this process may have no file open.
  // Returns false if no file was ever known: the table is then empty and may
  // still be replaced.
  bool Refresh();
  // Derives the table's size from its heap chunk and attaches.
  // REQUIRES: no other process is attached.
  void TakeSizeOfChunk();

  // True if a slot of the bucket of the frame's key names the frame.
  bool Holds(const region::Thread& self, const BufferHeader& header);
  // Empties the slot that names the frame, if there is one.
  void Remove(const region::Thread& self, const BufferHeader& header);

 private:
  region::Memory& memory_;
  FrameTable& frames_;
  HashTable table_;
};

}  // namespace mpool::internal

#endif  // MPOOL_MPOOL_MEMORY_PAGE_INDEX_H_
