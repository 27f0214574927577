// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "os/fork.h"

#include <pthread.h>

namespace mpool::os {

void AtFork(void (*before)(), void (*after)()) {
  pthread_atfork(before, after, after);
}

void AtFork(void (*before)(), void (*in_parent)(), void (*in_child)()) {
  pthread_atfork(before, in_parent, in_child);
}

}  // namespace mpool::os
