// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "region/inspect.h"

#include <optional>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "os/assert.h"
#include "os/backing/segment.h"
#include "os/lock_file.h"
#include "os/status.h"
#include "os/trust.h"
#include "region/descriptor.h"
#include "region/home_files.h"
#include "region/move.h"
#include "region/unnamed.h"

namespace mpool::region {

absl::StatusOr<Inspection> InspectRegion(const os::File& dir,
                                         uint32_t signature) {
  MPOOL_RETURN_IF_ERROR(os::CheckDirectory(dir));
  MPOOL_ASSIGN_OR_RETURN(const std::optional<FixedHeader> descriptor,
                         ReadDescriptor(dir));
  if (!descriptor.has_value() &&
      os::IsDirectoryClaimed(dir).value_or(false)) {
    return InUseUnnamed("inspect", dir);
  }
  if (!descriptor.has_value()) {
    return absl::NotFoundError(absl::StrCat(
        "inspect ", dir.path(),
        ": there is no environment; name the directory that was given to "
        "DbEnv::Open"));
  }
  MPOOL_RETURN_IF_ERROR(CheckLayout(*descriptor, signature, dir.path()));
  const Backing backing = static_cast<Backing>(descriptor->backing);
  auto damaged = [&](std::string_view why) -> absl::Status {
    const auto locks = os::LockFile::Open(dir, kRegisterName, false, 0600);
    const auto gate = locks.ok() ? locks->FindHeld(0, 1) : locks.status();
    if (gate.ok() && gate->has_value()) {
      return absl::UnavailableError(absl::StrCat(
          "inspect ", dir.path(), ": its region is being made or removed; "
          "look again"));
    }
    return absl::DataLossError(absl::StrCat(
        "inspect ", dir.path(), ": its region cannot be used: ", os::Abs(why),
        "; DbEnv::Open makes a new one once nobody uses it"));
  };
  MPOOL_ASSIGN_OR_RETURN(const std::string_view why_not,
                         CheckDescriptor(dir, *descriptor));
  if (!why_not.empty() && !HasMoved(dir, *descriptor).value_or(false)) {
    return damaged(why_not);
  }
  const absl::StatusOr<uint64_t> size =
      os::MappingSize(backing, dir, descriptor->segment);
  if (absl::IsNotFound(size.status())) return damaged("its memory is gone");
  MPOOL_RETURN_IF_ERROR(size.status());
  if (*size < sizeof(RegionHeader)) return damaged(kCutShort);
  Inspection inspection;
  inspection.fixed = *descriptor;
  MPOOL_ASSIGN_OR_RETURN(
      inspection.mapping,
      os::JoinMapping(backing, dir, descriptor->segment,
                      {.reserved_bytes = descriptor->reserved_bytes,
                       .read_only = true}));
  MPOOL_ASSERT(inspection.mapping != nullptr);
  const auto& header =
      *reinterpret_cast<RegionHeader*>(inspection.mapping->base());
  MPOOL_ASSIGN_OR_RETURN(const std::string_view why,
                         CheckHeader(header, dir, *descriptor));
  if (!why.empty()) return damaged(why);
  return inspection;
}

}  // namespace mpool::region
