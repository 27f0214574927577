// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// worker.h - one life: a process that works on a World until it is killed or
// its work is done.

#ifndef MPOOL_TESTS_TORTURE_WORKER_H_
#define MPOOL_TESTS_TORTURE_WORKER_H_

#include "tests/torture/plan.h"
#include "tests/torture/world.h"

namespace mpool::torture {

// Runs the whole process.
[[noreturn]] void Live(const World& world, const Life& life, size_t seat);

}  // namespace mpool::torture

#endif  // MPOOL_TESTS_TORTURE_WORKER_H_
