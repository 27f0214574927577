// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// signature.h - the layout signature of the region.

#ifndef MPOOL_MPOOL_POOL_SIGNATURE_H_
#define MPOOL_MPOOL_POOL_SIGNATURE_H_

#include <cstdint>

namespace mpool::internal {

// Returns a hash of the layout of every shared struct. Processes with different
// signatures cannot share a region.
uint32_t LayoutSignature();

}  // namespace mpool::internal

#endif  // MPOOL_MPOOL_POOL_SIGNATURE_H_
