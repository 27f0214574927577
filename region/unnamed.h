// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// unnamed.h - regions that other processes cannot find: they belong to one
// process alone, or to one process and its forked children.
//
// Invariants: U1 a home stays claimed as long as the opener or a forked child
//             of it exists. All of them have the open of the home that carries
//             the claim, so the claim ends with the last of them.
//             U2 the last leaver clears magic, then drops the claim. A child
//             that wants to enter later must open the home again.
// Crash:      the others repair, as in any region. If all die, only data that
//             was written to the page files is left.

#ifndef MPOOL_REGION_UNNAMED_H_
#define MPOOL_REGION_UNNAMED_H_

#include <string_view>

#include "absl/status/status.h"
#include "os/file.h"

namespace mpool::region {

// Claims the home, so that processes which cannot find the memory are refused.
// FailedPrecondition if another process has claimed it.
absl::Status ClaimHome(const os::File& home);
// Returns FailedPrecondition if the home has a region with a name. Used before
// memory without a name is made.
absl::Status CheckNoOther(const os::File& home);
// Returns the error for opening or removing a home that processes use with
// memory without a name. `verb` names the attempt.
absl::Status InUseUnnamed(std::string_view verb, const os::File& home);

}  // namespace mpool::region

#endif  // MPOOL_REGION_UNNAMED_H_
