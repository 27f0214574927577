// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "os/backing/table.h"

namespace mpool::os {

const BackingRow* FindBacking(Backing backing) {
  for (const BackingRow& row : kBackingRows) {
    if (row.backing == backing) return &row;
  }
  return nullptr;
}

Reach ReachOf(Backing backing) {
  const BackingRow* const row = FindBacking(backing);
  return row == nullptr ? Reach::kAnyProcess : row->reach;
}

}  // namespace mpool::os
