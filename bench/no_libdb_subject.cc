// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// no_libdb_subject.cc - where Berkeley DB is not there to compare with.

#include "bench/subject.h"

namespace mpool::bench {

absl::StatusOr<std::unique_ptr<Subject>> OpenLibdb(const CacheSpec&) {
  return nullptr;
}

std::string LibdbVersion() { return ""; }

}  // namespace mpool::bench
