// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "os/backing/segment.h"

#include <algorithm>
#include <tuple>

#include "absl/strings/str_cat.h"
#include "os/backing/segment_name.h"
#include "os/backing/table.h"
#include "os/status.h"

namespace mpool::os {
namespace {

// Returns the row of a backing; InvalidArgument if there is none.
absl::StatusOr<const BackingRow*> RowOf(Backing backing) {
  const BackingRow* const row = FindBacking(backing);
  if (row != nullptr) return row;
  return absl::InvalidArgumentError(absl::StrCat(
      "map region: there is no backing ", static_cast<int>(backing)));
}

absl::Status NoName(std::string_view verb, const BackingRow& row) {
  const bool shared = row.reach == Reach::kForkedChildren;
  return absl::FailedPreconditionError(absl::StrCat(
      Abs(verb), " region: Backing::", Abs(row.enumerator),
      " is memory of one ",
      shared ? "process and its forked children" : "process",
      "; use ", SharedBackings(), " to share it with others"));
}

absl::Status CheckOptions(std::string_view name, const MappingOptions& options,
                          bool create) {
  const bool size_fits =
      options.size_bytes > 0 && options.size_bytes <= options.reserved_bytes;
  if (options.reserved_bytes > 0 && (size_fits || !create)) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "map region: ", Abs(name), ": ", options.size_bytes, " bytes in ",
      options.reserved_bytes,
      " bytes of address space; neither may be 0 nor the first the larger"));
}

}  // namespace

std::string MappingName(Backing backing, const FileIdentity& home,
                        uint64_t creation, std::optional<int> sysv_key) {
  const BackingRow* const row = FindBacking(backing);
  const std::string prefix = NamePrefix(home);
  if (row == nullptr || row->ops->name == nullptr) {
    return DefaultName(prefix, creation);
  }
  return row->ops->name(prefix, creation, sysv_key);
}

// Keeps the key of a segment, which the name begins with.
std::string NameUnder(Backing backing, const FileIdentity& home,
                      uint64_t creation, std::string_view name) {
  const BackingRow* const row = FindBacking(backing);
  std::optional<int> key;
  if (row != nullptr && row->has_key) key = KeyIn(name);
  return MappingName(backing, home, creation, key);
}

// Accepts any key, because a segment that carries another name behind its
// memory is not used.
bool IsMappingName(Backing backing, const FileIdentity& home,
                   uint64_t creation, std::string_view name) {
  return name == NameUnder(backing, home, creation, name);
}

MappingOr CreateMapping(Backing backing, const File& dir, std::string_view name,
                        const MappingOptions& options) {
  MPOOL_RETURN_IF_ERROR(CheckOptions(name, options, true));
  MPOOL_ASSIGN_OR_RETURN(const BackingRow* const row, RowOf(backing));
  MappingOptions writable = options;
  writable.read_only = false;
  return row->ops->create(dir, name, writable);
}

MappingOr JoinMapping(Backing backing, const File& dir, std::string_view name,
                      const MappingOptions& options) {
  MPOOL_RETURN_IF_ERROR(CheckOptions(name, options, false));
  MPOOL_ASSIGN_OR_RETURN(const BackingRow* const row, RowOf(backing));
  if (row->ops->join == nullptr) return NoName("join", *row);
  return row->ops->join(dir, name, options);
}

absl::Status RemoveMapping(Backing backing, const File& dir,
                           std::string_view name) {
  MPOOL_ASSIGN_OR_RETURN(const BackingRow* const row, RowOf(backing));
  if (row->ops->remove == nullptr) return absl::OkStatus();
  return row->ops->remove(dir, name);
}

absl::Status RenameMapping(Backing backing, const File& dir,
                           std::string_view from, std::string_view to) {
  MPOOL_ASSIGN_OR_RETURN(const BackingRow* const row, RowOf(backing));
  if (row->ops->rename == nullptr) return absl::OkStatus();
  return row->ops->rename(dir, from, to);
}

absl::StatusOr<uint64_t> MappingSize(Backing backing, const File& dir,
                                     std::string_view name) {
  MPOOL_ASSIGN_OR_RETURN(const BackingRow* const row, RowOf(backing));
  if (row->ops->size == nullptr) {
    return absl::NotFoundError(NoName("find", *row).message());
  }
  return row->ops->size(dir, name);
}

absl::StatusOr<bool> IsMappingInUse(Backing backing, const File& dir,
                                    std::string_view name) {
  MPOOL_ASSIGN_OR_RETURN(const BackingRow* const row, RowOf(backing));
  if (row->ops->is_in_use == nullptr) return NoName("find", *row);
  return row->ops->is_in_use(dir, name);
}

bool HasStrayMappings(const File& dir) {
  const absl::StatusOr<FileInfo> info = dir.Info();
  if (!info.ok()) return false;
  const std::string prefix = NamePrefix(info->identity);
  for (const BackingRow& row : kBackingRows) {
    if (row.ops->strays == nullptr) continue;
    if (row.ops->strays(dir, prefix, Strays::kCount).value_or(0) != 0) {
      return true;
    }
  }
  return false;
}

// One error does not keep the segments of other backings.
absl::StatusOr<uint32_t> RemoveStrayMappings(const File& dir) {
  MPOOL_ASSIGN_OR_RETURN(const FileInfo info, dir.Info());
  const std::string prefix = NamePrefix(info.identity);
  absl::Status first_error;
  uint32_t count = 0;
  for (const BackingRow& row : kBackingRows) {
    if (row.ops->strays == nullptr) continue;
    const absl::StatusOr<uint32_t> removed =
        row.ops->strays(dir, prefix, Strays::kRemove);
    first_error.Update(removed.status());
    count += removed.value_or(0);
  }
  if (!first_error.ok()) return first_error;
  return count;
}

std::vector<FoundSegment> ListSegments() {
  std::vector<FoundSegment> found;
  for (const BackingRow& row : kBackingRows) {
    if (row.ops->list != nullptr) row.ops->list(&found);
  }
  std::ranges::sort(found, {}, [](const FoundSegment& one) {
    return std::tie(one.name, one.id);
  });
  return found;
}

absl::StatusOr<size_t> ReadSegment(const FoundSegment& found, uint64_t offset,
                                   std::span<std::byte> out) {
  MPOOL_ASSIGN_OR_RETURN(const BackingRow* const row, RowOf(found.backing));
  if (row->ops->read == nullptr) return NoName("read", *row);
  return row->ops->read(found, offset, out);
}

MappingOr CopySegment(const FoundSegment& found, uint64_t size_bytes,
                      uint64_t reserved_bytes) {
  MPOOL_ASSIGN_OR_RETURN(
      std::unique_ptr<Mapping> copy,
      CreateMapping(Backing::kHeap, File(), "",
                    {.size_bytes = size_bytes,
                     .reserved_bytes = reserved_bytes}));
  MPOOL_ASSIGN_OR_RETURN(
      const size_t got, ReadSegment(found, 0, {copy->base(), size_bytes}));
  if (got == size_bytes) return copy;
  return absl::DataLossError(absl::StrCat("read segment ", found.name, ": ",
                                          got, " of ", size_bytes,
                                          " bytes are there"));
}

absl::StatusOr<bool> IsSegmentHeld(const FoundSegment& found) {
  MPOOL_ASSIGN_OR_RETURN(const BackingRow* const row, RowOf(found.backing));
  if (row->ops->is_held == nullptr) return NoName("find", *row);
  return row->ops->is_held(found);
}

absl::Status DiscardSegment(const FoundSegment& found) {
  MPOOL_ASSIGN_OR_RETURN(const BackingRow* const row, RowOf(found.backing));
  if (row->ops->discard == nullptr) return NoName("remove", *row);
  return row->ops->discard(found);
}

}  // namespace mpool::os
