// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "region/segments.h"

#include <algorithm>
#include <span>
#include <utility>

#include "absl/strings/str_cat.h"
#include "os/assert.h"
#include "os/file_handle.h"
#include "os/filesystem.h"
#include "os/status.h"
#include "region/descriptor.h"
#include "region/home_name.h"

namespace mpool::region {
namespace {

using State = SegmentHome::State;

// Returns what the descriptor of the directory says about the segment.
SegmentHome ReadHome(const os::File& dir, std::string path,
                     const os::FoundSegment& found) {
  SegmentHome home;
  home.path = std::move(path);
  const absl::StatusOr<std::optional<FixedHeader>> descriptor =
      ReadDescriptor(dir);
  if (!descriptor.ok()) {
    home.why = std::string(descriptor.status().message());
  } else if (descriptor->has_value() &&
             CreationOf(**descriptor) == found.parts.creation) {
    home.state = State::kUses;
  } else {
    // A creator names its creation in the descriptor before it makes memory.
    // So no process will use this memory again.
    home.state = State::kReplaced;
  }
  return home;
}

bool IsDirectory(const os::File& dir, const os::FoundSegment& found,
                 const SegmentFront& front) {
  const absl::StatusOr<os::FileInfo> info = dir.Info();
  return info.ok() && info->identity.device == found.parts.device &&
         info->identity.inode == found.parts.inode &&
         (!front.fixed.has_value() || front.fixed->home_birth_ns == 0 ||
          front.fixed->home_birth_ns == info->identity.birth_ns);
}

// Opens a directory of the home's file system: the nearest directory above the
// home's path, else a mount point.
absl::StatusOr<os::File> OpenFileSystem(const os::FoundSegment& found,
                                        std::string path) {
  while (path.size() > 1) {
    MPOOL_ASSERT(path.starts_with('/'));
    path.resize(std::max<size_t>(path.rfind('/'), 1));
    absl::StatusOr<os::File> dir = os::File::OpenDirectory(path);
    if (!dir.ok()) continue;
    const absl::StatusOr<os::FileInfo> info = dir->Info();
    if (info.ok() && info->identity.device == found.parts.device) return dir;
  }
  return os::OpenMountOf(found.parts.device);
}

// Asks the home's file system for the home, which may have another path now.
SegmentHome SearchHome(const os::FoundSegment& found,
                       const SegmentFront& front, std::string path) {
  SegmentHome home;
  home.path = path;
  const absl::StatusOr<os::File> mount = OpenFileSystem(found, path);
  if (!mount.ok()) {
    home.why = std::string(mount.status().message());
    return home;
  }
  const uint64_t id =
      front.fixed.has_value() ? front.fixed->home_filesystem : 0;
  if (id != 0 && os::FileSystemId(*mount) != id) {
    home.why = "another file system has the device number of its home";
    return home;
  }
  const os::FileHandle handle = HomeHandleIn(*front.header);
  const os::Located located = os::FindByHandle(*mount, handle);
  switch (located.kind) {
    case os::Located::Kind::kGone:
      home.state = State::kGone;
      return home;
    case os::Located::Kind::kUnknown:
      home.why = handle.bytes == 0
                     ? "the file system of its home has no handles, which "
                       "would prove that the home is gone"
                     : "only root can ask the file system for its home";
      return home;
    case os::Located::Kind::kFound:
      break;
  }
  const absl::StatusOr<os::File> dir = os::File::OpenDirectory(located.path);
  if (dir.ok() && IsDirectory(*dir, found, front)) {
    return ReadHome(*dir, located.path, found);
  }
  home.why = "its home exists and cannot be opened here";
  return home;
}

}  // namespace

absl::StatusOr<SegmentFront> ReadFront(const os::FoundSegment& found,
                                       uint32_t signature) {
  SegmentFront front;
  front.header = std::make_unique<RegionHeader>();
  const auto bytes =
      std::as_writable_bytes(std::span(front.header.get(), 1));
  MPOOL_ASSIGN_OR_RETURN(const size_t got, os::ReadSegment(found, 0, bytes));
  const bool has_magic =
      got >= sizeof(RegionHeader) &&
      front.header->magic.load(std::memory_order_relaxed) == kMagic;
  const FixedHeader* const fixed =
      got >= sizeof(front.header->fixed) ? SoundCopy(*front.header) : nullptr;
  if (has_magic && fixed != nullptr) front.fixed = *fixed;
  front.is_known = fixed != nullptr && fixed->version == kLayoutVersion &&
                   fixed->signature == signature;
  if (found.name.empty() && !front.fixed.has_value()) {
    return absl::NotFoundError("read segment: it is not of mpool");
  }
  return front;
}

SegmentHome FindHome(const os::FoundSegment& found, const SegmentFront& front) {
  MPOOL_ASSERT(front.header != nullptr);
  const std::string path =
      front.is_known ? HomePathIn(*front.header) : std::string();
  if (found.name.empty()) {
    // The kernel removes memory without a name with its last process.
    return {.state = State::kUses, .path = path, .why = ""};
  }
  if (!path.empty()) {
    const absl::StatusOr<os::File> dir = os::File::OpenDirectory(path);
    if (dir.ok()) {
      SegmentHome home = ReadHome(*dir, path, found);
      // A home that was mounted again has another device number.
      if (home.state == State::kUses || IsDirectory(*dir, found, front)) {
        return home;
      }
    }
  }
  if (!front.is_known) {
    return {.state = State::kUnknown,
            .path = "",
            .why = "only the library that made it can find its home"};
  }
  return SearchHome(found, front, path);
}

absl::StatusOr<std::unique_ptr<os::Mapping>> CopyTables(
    const os::FoundSegment& found, const SegmentFront& front) {
  if (!front.fixed.has_value()) {
    return absl::FailedPreconditionError("its header is not whole");
  }
  if (!front.is_known) {
    return absl::FailedPreconditionError(
        "another version of the library made it");
  }
  const uint64_t bytes =
      front.header->size_bytes.load(std::memory_order_relaxed);
  // Rubbish must not make this process copy more than the segment has.
  if (!HasSoundBounds(*front.header, *front.fixed) ||
      bytes > found.size_bytes ||
      front.fixed->reserved_bytes > found.size_bytes) {
    return absl::DataLossError("its header is damaged");
  }
  return os::CopySegment(found, bytes, front.fixed->reserved_bytes);
}

}  // namespace mpool::region
