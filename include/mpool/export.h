// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#ifndef MPOOL_EXPORT_H_
#define MPOOL_EXPORT_H_

// Marks the exports of the shared library; all other symbols are hidden.
#define MPOOL_EXPORT __attribute__((visibility("default")))

#endif  // MPOOL_EXPORT_H_
