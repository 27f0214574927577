// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// repair_pass.h - the repair of one dead process by one thread, as the
// functions of repair pass it.

#ifndef MPOOL_REGION_REPAIR_PASS_H_
#define MPOOL_REGION_REPAIR_PASS_H_

#include <cstdint>

#include "mpool/stats.h"
#include "region/limits.h"
#include "region/thread.h"

namespace mpool::region {

struct RepairPass {
  const Thread& self;  // the repairer
  uint32_t process;    // slot of the dead process
  // The threads of that process, and of each process for whose repair the
  // repairer's thread has not finished yet. It must not wait for any of them.
  const DeadThreads& dead;
  RepairReport* report;

  bool IsDead(uint32_t id) const { return id <= kMaxThreads && dead[id]; }
};

}  // namespace mpool::region

#endif  // MPOOL_REGION_REPAIR_PASS_H_
