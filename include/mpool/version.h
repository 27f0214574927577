// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#ifndef MPOOL_VERSION_H_
#define MPOOL_VERSION_H_

// Versions of the library as it was compiled. The major version is the
// SOVERSION. The region's own layout version is separate: processes that were
// built from different library versions may share a region as long as its
// layout signature is the same.
#define MPOOL_VERSION_MAJOR 0
#define MPOOL_VERSION_MINOR 1
#define MPOOL_VERSION_PATCH 0
#define MPOOL_VERSION_STRING "0.1.0"

#endif  // MPOOL_VERSION_H_
