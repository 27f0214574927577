// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// descriptor.h - the descriptor file __db.001 and the fixed header of a region,
// which have the same contents: two copies with a CRC.
//
// Role:        reads, writes and checks copies. Knows no process and no lock.

#ifndef MPOOL_REGION_DESCRIPTOR_H_
#define MPOOL_REGION_DESCRIPTOR_H_

#include <cstdint>
#include <optional>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "os/file.h"
#include "region/layout.h"

namespace mpool::region {

// Names below the home.
inline constexpr char kRegisterName[] = "__db.register";
inline constexpr char kDescriptorName[] = "__db.001";
inline constexpr char kNewDescriptorName[] = "__db.001.new";

// Reasons why a region cannot be used.
inline constexpr std::string_view kUnfinished =
    "its creation was never finished";
inline constexpr std::string_view kCutShort = "its memory is cut short";
inline constexpr std::string_view kDamaged = "its header is damaged";
inline constexpr std::string_view kOfAnotherCreation =
    "its memory belongs to another creation";

// Stores the CRC of the copy.
void Seal(FixedHeader* fixed);
// True if the copy is whole.
bool IsSealed(const FixedHeader& fixed);
// Returns the copy of a region's header that is whole; nullptr if none is.
const FixedHeader* SoundCopy(const RegionHeader& header);
// Returns the number that names of memory contain to distinguish the creations
// of a region.
uint64_t CreationOf(const FixedHeader& fixed);
// Returns a number that distinguishes this region from every other region, also
// from a copy of it.
uint64_t RegionIdOf(const FixedHeader& fixed, const os::FileIdentity& home);

// Returns the descriptor of a home; nullopt if the file is absent or not sound.
absl::StatusOr<std::optional<FixedHeader>> ReadDescriptor(const os::File& home);
// Replaces the descriptor of a home.
absl::Status WriteDescriptor(const os::File& home, const FixedHeader& fixed);

// Returns FailedPrecondition, naming both sides, if `fixed` was made by another
// version or layout of the library.
absl::Status CheckLayout(const FixedHeader& fixed, uint32_t signature,
                         std::string_view home);
// True if the sizes and offsets of the header lie inside each other. The region
// may be growing: growth first backs memory, then stores size_bytes, then
// heap_end. This function reads them in the reverse order, so that each value
// is at least the value read before it.
bool HasSoundBounds(const RegionHeader& header, const FixedHeader& fixed);
// Returns why the region cannot be used; empty if it is whole.
absl::StatusOr<std::string_view> CheckHeader(const RegionHeader& header,
                                             const os::File& home,
                                             const FixedHeader& descriptor);

}  // namespace mpool::region

#endif  // MPOOL_REGION_DESCRIPTOR_H_
