// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "absl/strings/str_format.h"
#include "os/mapping.h"

namespace mpool::os {

std::string MappingName(Backing backing, const FileIdentity& home,
                        uint64_t creation) {
  if (backing == Backing::kFile) return "__db.002";
  return absl::StrFormat("/mpool-%x-%x-%016x", home.device, home.inode,
                         creation);
}

}  // namespace mpool::os
