// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// fork.h - handlers that run around fork().

#ifndef MPOOL_OS_FORK_H_
#define MPOOL_OS_FORK_H_

namespace mpool::os {

// Calls `before` in the forking thread before each fork, and `after` after it
// in parent and child (pthread_atfork). _Fork and clone call neither.
void AtFork(void (*before)(), void (*after)());
// Calls another function in the child than in the parent.
void AtFork(void (*before)(), void (*in_parent)(), void (*in_child)());

}  // namespace mpool::os

#endif  // MPOOL_OS_FORK_H_
