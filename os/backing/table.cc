// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "os/backing/table.h"

#include "absl/strings/str_cat.h"
#include "os/status.h"

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

std::string SharedBackings(std::string_view BackingRow::*column) {
  std::string out;
  const BackingRow* last = nullptr;
  for (const BackingRow& row : kBackingRows) {
    if (row.reach != Reach::kAnyProcess) continue;
    if (last != nullptr) {
      absl::StrAppend(&out, out.empty() ? "" : ", ", Abs(last->*column));
    }
    last = &row;
  }
  if (last != nullptr) absl::StrAppend(&out, " or ", Abs(last->*column));
  return out;
}

}  // namespace mpool::os
