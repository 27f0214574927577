// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "os/assert.h"

#include <cinttypes>
#include <cstdio>
#include <cstdlib>

namespace mpool::os {

void AssertFailed(const char* file, int line, const char* condition) {
  std::fprintf(stderr, "mpool: %s:%d: assertion failed: %s\n", file, line,
               condition);
  std::abort();
}

void TransitionFailed(const char* name, uint64_t from, uint64_t to) {
  std::fprintf(stderr,
               "mpool: illegal change of a %s word: 0x%016" PRIx64
               " -> 0x%016" PRIx64 "\n",
               name, from, to);
  std::abort();
}

}  // namespace mpool::os
