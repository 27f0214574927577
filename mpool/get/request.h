// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// request.h - a get that left the hit path, and what it was granted.

#ifndef MPOOL_MPOOL_GET_REQUEST_H_
#define MPOOL_MPOOL_GET_REQUEST_H_

#include <algorithm>
#include <cstdint>

#include "absl/time/time.h"
#include "mpool/files/file_handles.h"
#include "mpool/files/file_table.h"
#include "mpool/files/page_io.h"
#include "mpool/options.h"
#include "mpool/page/buffer_header.h"
#include "mpool/page/hash_table.h"
#include "mpool/page/ledger.h"
#include "mpool/types.h"
#include "os/clock.h"

namespace mpool::internal {

// Returns the ledger mode of a get for reading.
inline Mode ModeOf(const GetOptions& options) {
  static_assert(static_cast<uint64_t>(Latch::kShared) + 1 ==
                static_cast<uint64_t>(Mode::kShared));
  static_assert(static_cast<uint64_t>(Latch::kNone) + 1 ==
                static_cast<uint64_t>(Mode::kPin));
  return static_cast<Mode>(static_cast<uint64_t>(options.latch) + 1);
}

struct Request {
  Request(const OpenedFile& opened, PageNo number, Mode wanted,
          const GetOptions& options)
      : file(&opened),
        page(number),
        // A larger number is refused before the key is used.
        key(PageKey::Make(opened.file_key, std::min(number, kMaxPageNo))),
        hash(HashTable::Hash(key)),
        mode(wanted),
        create(options.create),
        overwrite(options.overwrite && wanted == Mode::kExclusive),
        access(options.scan ? Access::kScan : Access::kNormal),
        deadline(options.wait) {}

  const OpenedFile* file;
  PageNo page;
  PageKey key;
  uint64_t hash;
  Mode mode;
  bool create;
  bool overwrite;
  Access access;
  bool is_new = false;  // New has just reserved this page number
  bool keep_image = false;
  bool in_group = false;
  mutable BufferHeader* frame = nullptr;  // given to the first load
  // True if the page was loaded without a read of its bytes on disk.
  mutable bool is_unread = false;
  os::Deadline deadline;
};

// A page that the calling thread holds, with the ledger entry that holds it.
struct Granted {
  BufferHeader* header = nullptr;
  EntryWord* entry = nullptr;
};

}  // namespace mpool::internal

#endif  // MPOOL_MPOOL_GET_REQUEST_H_
