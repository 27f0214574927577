// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// options.h - the checks of options, made once at each open.
//
// Concurrency: thread-safe; the functions use their arguments alone.

#ifndef MPOOL_DB_OPTIONS_H_
#define MPOOL_DB_OPTIONS_H_

#include <string_view>

#include "absl/status/status.h"
#include "mpool/options.h"
#include "region/region.h"

namespace mpool::internal {

// Checks options. Errors: Unimplemented for options that this build does not
// support, InvalidArgument for wrong values.
absl::Status Validate(const EnvOptions& options);
absl::Status Validate(std::string_view path, const FileOptions& options);

// Returns the options of the region of a new environment.
// REQUIRES: Validate(options) is Ok.
region::RegionOptions RegionOptionsFor(const EnvOptions& options);

}  // namespace mpool::internal

#endif  // MPOOL_DB_OPTIONS_H_
