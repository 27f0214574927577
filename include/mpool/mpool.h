// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// mpool.h - all of mpool: one page cache, shared by every thread of every
// process that opens the same environment directory.
//
//     auto env = mpool::DbEnv::Open("/var/lib/app");
//     auto file = (*env)->OpenFile("table.db", {.create = true});
//     auto page = (*file)->New();            // page->data() is 4096 zero bytes
//     page->data()[0] = std::byte{42};
//     page->Put();                           // every process sees it
//     (*file)->Sync();                       // it is on disk

#ifndef MPOOL_MPOOL_H_
#define MPOOL_MPOOL_H_

#include "mpool/env.h"      // IWYU pragma: export
#include "mpool/file.h"     // IWYU pragma: export
#include "mpool/options.h"  // IWYU pragma: export
#include "mpool/page.h"     // IWYU pragma: export
#include "mpool/stats.h"    // IWYU pragma: export
#include "mpool/types.h"    // IWYU pragma: export
#include "mpool/update_group.h"  // IWYU pragma: export
#include "mpool/version.h"  // IWYU pragma: export

#endif  // MPOOL_MPOOL_H_
