// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// inspect.h - maps the region of a home for reading, without a lock and without
// a slot.

#ifndef MPOOL_REGION_INSPECT_H_
#define MPOOL_REGION_INSPECT_H_

#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "os/backing/mapping.h"
#include "os/file.h"
#include "region/layout.h"

namespace mpool::region {

// A home's descriptor and its region, mapped read-only.
struct Inspection {
  std::unique_ptr<os::Mapping> mapping;
  FixedHeader fixed;
};
// Inspects a home. NotFound if there is no environment; Unavailable if its
// region is being made or removed; DataLoss if the region cannot be used;
// FailedPrecondition as CheckLayout.
absl::StatusOr<Inspection> InspectRegion(const os::File& dir,
                                         uint32_t signature);

}  // namespace mpool::region

#endif  // MPOOL_REGION_INSPECT_H_
