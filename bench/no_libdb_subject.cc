// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// no_libdb_subject.cc - the replacement of libdb_subject.cc in a build without
// Berkeley DB.

#include "bench/subject.h"

namespace mpool::bench {

absl::StatusOr<std::unique_ptr<Subject>> OpenLibdb(const CacheSpec&) {
  return nullptr;
}

std::string LibdbVersion() { return ""; }

}  // namespace mpool::bench
