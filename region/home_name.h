// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// home_name.h - the path and the handle of the home, which the region keeps.
//
// Role:  for people, and for memory without a home (segments.h). No process
//        opens the home by them to use it, because the home may have been
//        renamed since.
// Crash: a path that is stored in part is a wrong path.

#ifndef MPOOL_REGION_HOME_NAME_H_
#define MPOOL_REGION_HOME_NAME_H_

#include <string>

#include "os/file.h"
#include "os/file_handle.h"
#include "region/layout.h"

namespace mpool::region {

// Stores path and handle of the home. A path that does not fit is left out.
// REQUIRES: the caller holds byte 0, or no other process sees the region. Not
// checkable: the lock belongs to the attacher.
void StoreHome(RegionHeader& header, const os::File& home);
// Return the stored path and handle. They accept damaged words.
std::string HomePathIn(const RegionHeader& header);
os::FileHandle HomeHandleIn(const RegionHeader& header);

}  // namespace mpool::region

#endif  // MPOOL_REGION_HOME_NAME_H_
