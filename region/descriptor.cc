// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "region/descriptor.h"

#include <cstddef>
#include <cstring>
#include <span>
#include <utility>

#include "absl/strings/str_format.h"
#include "os/assert.h"
#include "os/backing/segment.h"
#include "os/crc32.h"
#include "os/directory.h"
#include "os/status.h"
#include "os/step.h"
#include "os/trust.h"

namespace mpool::region {
namespace {

std::span<const std::byte> Bytes(const FixedHeader& fixed) {
  return std::as_bytes(std::span(&fixed, 1));
}

}  // namespace

absl::Status WriteDescriptor(const os::File& home, const FixedHeader& fixed) {
  MPOOL_ASSERT(IsSealed(fixed));
  MPOOL_RETURN_IF_ERROR(os::UnlinkAt(home, kNewDescriptorName));
  MPOOL_ASSIGN_OR_RETURN(const os::FileInfo info, home.Info());
  MPOOL_ASSIGN_OR_RETURN(
      os::File file,
      os::File::OpenAt(home, kNewDescriptorName,
                       os::NewOwn(info, static_cast<int>(fixed.mode))));
  MPOOL_RETURN_IF_ERROR(file.WriteAt(0, Bytes(fixed)));
  MPOOL_RETURN_IF_ERROR(file.WriteAt(sizeof(fixed), Bytes(fixed)));
  MPOOL_STEP("region.create.describe");
  MPOOL_RETURN_IF_ERROR(
      os::RenameAt(home, kNewDescriptorName, kDescriptorName));
  MPOOL_STEP("region.create.described");
  return absl::OkStatus();
}

const FixedHeader* SoundCopy(const RegionHeader& header) {
  for (const FixedHeader& copy : header.fixed) {
    if (IsSealed(copy)) return &copy;
  }
  return nullptr;
}

void Seal(FixedHeader* fixed) {
  MPOOL_ASSERT(fixed != nullptr);
  fixed->crc =
      os::Crc32(Bytes(*fixed).first(offsetof(FixedHeader, crc)));
}

bool IsSealed(const FixedHeader& fixed) {
  return fixed.crc ==
             os::Crc32(Bytes(fixed).first(offsetof(FixedHeader, crc))) &&
         std::memchr(fixed.segment, 0, sizeof(fixed.segment)) != nullptr &&
         fixed.version != 0;
}

absl::StatusOr<std::optional<FixedHeader>> ReadDescriptor(
    const os::File& home) {
  absl::StatusOr<os::File> file =
      os::OpenOwn(home, kDescriptorName, os::File::Mode::kReadOnly);
  if (absl::IsNotFound(file.status())) return std::nullopt;
  MPOOL_RETURN_IF_ERROR(file.status());
  FixedHeader copies[2];
  MPOOL_ASSIGN_OR_RETURN(
      const size_t got,
      file->ReadAt(0, std::as_writable_bytes(std::span(copies))));
  for (size_t i = 0; i < 2; ++i) {
    if (got >= (i + 1) * sizeof(FixedHeader) && IsSealed(copies[i])) {
      return copies[i];
    }
  }
  return std::nullopt;
}

absl::Status CheckLayout(const FixedHeader& fixed, uint32_t signature,
                         std::string_view home) {
  if (fixed.version == kLayoutVersion && fixed.signature == signature) {
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(absl::StrFormat(
      "join region of %s: it has layout version %u (signature %08x), this "
      "library has version %u (signature %08x); close the programs that made "
      "it and run 'mpool remove' with their version",
      os::Abs(home), fixed.version, fixed.signature, kLayoutVersion,
      signature));
}

uint64_t CreationOf(const FixedHeader& fixed) {
  uint64_t creation = 0;
  std::memcpy(&creation, fixed.creation_id, sizeof(creation));
  return creation;
}

uint64_t RegionIdOf(const FixedHeader& fixed, const os::FileIdentity& home) {
  // The device is included because a copy of the file system has the same
  // creation id in its memory file (kFile).
  return CreationOf(fixed) ^ home.device * uint64_t{0x9e3779b97f4a7c15};
}

bool HasSoundBounds(const RegionHeader& header, const FixedHeader& fixed) {
  const uint64_t heap_end = header.heap_end.load(std::memory_order_acquire);
  const uint64_t end = header.size_bytes.load(std::memory_order_acquire);
  const uint64_t root = header.root.load(std::memory_order_acquire);
  return end >= sizeof(RegionHeader) && end <= fixed.heap_limit &&
         fixed.heap_limit <= fixed.reserved_bytes && heap_end <= end &&
         root >= sizeof(RegionHeader) && root < end;
}

absl::StatusOr<std::string_view> CheckHeader(const RegionHeader& header,
                                             const os::File& home,
                                             const FixedHeader& descriptor) {
  const uint64_t magic = header.magic.load(std::memory_order_acquire);
  if (magic == 0) return kUnfinished;
  const FixedHeader* fixed = SoundCopy(header);
  if (magic != kMagic || fixed == nullptr) return kDamaged;
  if (std::memcmp(fixed->creation_id, descriptor.creation_id,
                  sizeof(fixed->creation_id)) != 0) {
    return kOfAnotherCreation;
  }
  MPOOL_ASSIGN_OR_RETURN(
      const uint64_t size,
      os::MappingSize(static_cast<Backing>(descriptor.backing), home,
                      descriptor.segment));
  if (size < fixed->reserved_bytes) return kCutShort;
  if (!HasSoundBounds(header, *fixed)) return kDamaged;
  return "";
}

}  // namespace mpool::region
