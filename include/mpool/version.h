// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#ifndef MPOOL_VERSION_H_
#define MPOOL_VERSION_H_

// Version of the compiled library. The major version is the SOVERSION. The
// layout version of the region is separate: processes with different library
// versions may share a region if its layout signatures are equal.
#define MPOOL_VERSION_MAJOR 0
#define MPOOL_VERSION_MINOR 1
#define MPOOL_VERSION_PATCH 0
#define MPOOL_VERSION_STRING "0.1.0"

#endif  // MPOOL_VERSION_H_
