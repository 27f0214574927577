// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// options.h - the checks of options, made once at each open.
//
// Concurrency: thread-safe; the functions use their arguments alone.

#ifndef MPOOL_DB_OPTIONS_H_
#define MPOOL_DB_OPTIONS_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "mpool/options.h"
#include "region/region.h"

namespace mpool::internal {

// Checks options. Errors: Unimplemented for options that this build does not
// support, InvalidArgument for wrong values.
absl::Status Validate(const EnvOptions& options);
absl::Status Validate(std::string_view path, const FileOptions& options);

// Returns the options that differ between a region and an open, as "policy
// clock (asked for lru), ..."; empty if none does. A field of `asked` with its
// default asks for nothing. `created_bytes` is the cache size at creation.
// REQUIRES: Validate(asked) is Ok; the region is sound (not checkable: the
// caller has checked it).
std::string DescribeDifferences(const EnvOptions& asked,
                                const EffectiveOptions& in_force,
                                uint64_t created_bytes);

// Returns the text of an event on the differences; empty if there are none.
// FailedPrecondition for Mismatch::kFail. `kept_because` says why a region
// without processes was not created again; empty if no attempt failed.
absl::StatusOr<std::string> JudgeDifferences(std::string_view home,
                                             const EnvOptions& asked,
                                             const EffectiveOptions& in_force,
                                             uint64_t created_bytes,
                                             std::string_view kept_because);

// Returns the options of the region of a new environment.
// REQUIRES: Validate(options) is Ok.
region::RegionOptions RegionOptionsFor(const EnvOptions& options);

}  // namespace mpool::internal

#endif  // MPOOL_DB_OPTIONS_H_
