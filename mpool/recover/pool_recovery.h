// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// pool_recovery.h - the pool as the region's client: makes, checks, adopts and
// repairs the pool's tables. README.md has the death table.
//
// Concurrency: the region calls Format and Adopt while no other process is
//              attached. RepairClient runs beside all other calls.

#ifndef MPOOL_MPOOL_RECOVER_POOL_RECOVERY_H_
#define MPOOL_MPOOL_RECOVER_POOL_RECOVERY_H_

#include <cstdint>

#include "absl/status/status.h"
#include "mpool/evict/active_policy.h"
#include "mpool/files/file_handles.h"
#include "mpool/files/file_table.h"
#include "mpool/files/page_io.h"
#include "mpool/memory/frame_table.h"
#include "mpool/memory/page_index.h"
#include "mpool/recover/adoption.h"
#include "mpool/recover/frame_repair.h"
#include "mpool/stats.h"
#include "mpool/write/file_sync.h"
#include "region/repair_pass.h"

namespace mpool::internal {

class PoolRecovery final : public region::RegionClient {
 public:
  PoolRecovery(FrameTable& frames, PageIndex& index,
               FileTable& files, FileHandles& handles, FileSync& file_sync,
               ActivePolicy& policy, FrameRepair& repair, Adoption& adoption)
      : frames_(frames),
        index_(index),
        files_(files),
        handles_(handles),
        file_sync_(file_sync),
        policy_(policy),
        repair_(repair),
        adoption_(adoption) {}

  // region::RegionClient.
  absl::Status Format(const region::Thread& self) override;
  absl::Status Check(region::Sharing sharing,
                     region::Reachable* reached) override;
  void Adopt(const region::Thread& self, region::Reachable* reached,
             RepairReport* report) override;
  absl::Status ForgetLost() override { return handles_.ForgetLost(); }
  void RepairClient(const region::RepairPass& pass) override;

 private:
  FrameTable& frames_;
  PageIndex& index_;
  FileTable& files_;
  FileHandles& handles_;
  FileSync& file_sync_;
  ActivePolicy& policy_;
  FrameRepair& repair_;
  Adoption& adoption_;
};

}  // namespace mpool::internal

#endif  // MPOOL_MPOOL_RECOVER_POOL_RECOVERY_H_
