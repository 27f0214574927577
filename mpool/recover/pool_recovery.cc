// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "mpool/recover/pool_recovery.h"

#include <atomic>

#include "os/assert.h"
#include "os/status.h"
#include "os/step.h"

namespace mpool::internal {
absl::Status PoolRecovery::Format(const region::Thread& self) {
  MPOOL_ASSERT(self.id != 0);
  MPOOL_RETURN_IF_ERROR(frames_.Format(self));
  if (policy_.Make()) MPOOL_RETURN_IF_ERROR(policy_->Format(self));
  return index_.Ensure(self, /*page_bytes=*/4096);
}

absl::Status PoolRecovery::Check(region::Sharing sharing,
                                 region::Reachable* reached) {
  MPOOL_ASSERT(reached != nullptr);
  MPOOL_RETURN_IF_ERROR(frames_.Check(reached));
  const std::unique_ptr<Replacement> policy = policy_.MakeOther();
  if (policy != nullptr) MPOOL_RETURN_IF_ERROR(policy->Check(reached));
  const PoolHeader& pool = frames_.pool();
  // Until the first file is known the table may be replaced. If no other
  // process is attached, Adopt derives the table's size from its chunk.
  const bool alone = sharing == region::Sharing::kAlone;
  if (alone || pool.files_used.load(std::memory_order_acquire) != 0) {
    const uint64_t count =
        alone ? 1 : pool.bucket_count.load(std::memory_order_acquire);
    if (count == 0 ||
        !reached->Add(pool.buckets.load(), count * sizeof(Bucket))) {
      return region::Damaged("hash table");
    }
  }
  for (const std::atomic<uint64_t>& block : pool.file_blocks) {
    const uint64_t offset = block.load(std::memory_order_acquire);
    if (offset != 0 &&
        !reached->Add(offset, kFilesPerBlock * sizeof(FileEntry))) {
      return region::Damaged("table of files");
    }
  }
  return absl::OkStatus();
}

void PoolRecovery::Adopt(const region::Thread& self, region::Reachable* reached,
                         RepairReport* report) {
  MPOOL_ASSERT(self.id != 0);
  adoption_.Run(self, reached, report);
}

void PoolRecovery::RepairClient(const region::RepairPass& pass) {
  MPOOL_ASSERT(pass.self.id != 0 && pass.report != nullptr);
  MPOOL_ASSERT(pass.process != 0 && pass.process <= kMaxProcesses);
  if (!frames_.IsAttached()) return;
  if (index_.Refresh()) {
    pass.report->latches += index_.table().ReleaseDead(pass);
  }
  MPOOL_STEP("mpool.repair.buckets");
  // The frame may be out of use by this time, because WRITING is cleared
  // before io_owner.
  frames_.ForEachHeaderMade([&](BufferHeader& header) {
    const uint32_t writer = header.io_owner.load(std::memory_order_acquire);
    if (writer != 0 && pass.IsDead(writer)) {
      repair_.RepairWriting(pass, header, writer);
    }
  });
  frames_.ForEachHeader(
      [&](BufferHeader& header) { repair_.Repair(pass, header); });
  MPOOL_STEP("mpool.repair.frames");
  files_.EndWritesOfDead();
  file_sync_.Repair(pass);
  PoolHeader& pool = frames_.pool();
  uint32_t resizer = pool.resizer.load(std::memory_order_acquire);
  // no step: the next thread to find the resize unfinished completes it.
  if (pass.IsDead(resizer)) pool.resizer.compare_exchange_strong(resizer, 0);
  frames_.Rebuild(pass, policy_.order_queue());
  if (policy_.is_made()) policy_->Rebuild(pass);
  frames_.extents().ReleaseDrained(pass);
  files_.Repair(pass);
}

}  // namespace mpool::internal
