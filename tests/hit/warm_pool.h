// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// warm_pool.h - a pool in POSIX shared memory with a few warm pages, without
// the API above it, so that a test knows the addresses of its parts.

#ifndef MPOOL_TESTS_HIT_WARM_POOL_H_
#define MPOOL_TESTS_HIT_WARM_POOL_H_

#include <stdlib.h>
#include <unistd.h>

#include <memory>
#include <string>

#include "mpool/get/hit.h"
#include "mpool/pool/pool.h"
#include "mpool/pool/signature.h"

namespace mpool::internal {

class WarmPool {
 public:
  static constexpr PageNo kPages = 8;

  WarmPool() {
    char home[] = "/tmp/mpool_hit_XXXXXX";
    home_ = mkdtemp(home);
    constexpr uint64_t kCacheBytes = 64 * 4096;
    region::RegionOptions options;
    options.backing = Backing::kPosixShm;
    options.policy = EnvOptions().policy;
    SizeRegion(kCacheBytes, kCacheBytes, &options);
    options.signature = LayoutSignature();
    region_ = *region::Region::Prepare(*os::File::OpenDirectory(home_),
                                      options);
    pool_ = std::make_unique<Pool>(*region_);
    if (!region_->Attach(pool_->client()).ok() || !pool_->Start().ok()) abort();
    const std::string path = home_ + "/pages";
    file_ = *pool_->OpenFile(
        {.file = std::make_shared<os::File>(
             *os::File::Open(path, {.create = true})),
         .path = path,
         .page_bytes = 4096,
         .read_only = false});
    for (PageNo page = 0; page < kPages; ++page) {
      if (!pool_->getter().New(file_).ok()) abort();
    }
    GetAndPutAll();
  }

  ~WarmPool() {
    if (!pool_->CloseFile(file_).ok()) abort();
    pool_->Stop();
    region_->Leave(os::ByteLock());
    auto remover = region::RegionRemover::Begin(
        *os::File::OpenDirectory(home_));
    if (!remover.ok() || !remover->Finish().ok()) abort();
    unlink((home_ + "/pages").c_str());
    rmdir(home_.c_str());
  }

  void GetAndPutAll() {
    for (PageNo page = 0; page < kPages; ++page) GetAndPut(page);
  }
  void GetAndPut(PageNo page) {
    const absl::StatusOr<ReadPage> got = pool_->getter().Get(file_, page, {});
    if (!got.ok()) abort();
    if (got->data()[0] != std::byte{0}) abort();
  }
  void Update(PageNo page) {
    if (!pool_->getter().GetForUpdate(file_, page, {}).ok()) abort();
  }

  std::byte* base() const { return region_->memory().base(); }
  uint64_t size_bytes() const {
    return region_->memory().header()->size_bytes.load() / 4096 * 4096;
  }
  // Returns the slot of the thread that has the pages warm.
  region::ThreadSlot* slot() const {
    region::ThreadSlot* found = nullptr;
    region_->members().ForEachThread([&](uint32_t id, region::ThreadSlot& slot,
                               region::ThreadWord) {
      if (id > kMaxProcesses) found = &slot;
    });
    return found;
  }

 private:
  std::string home_;
  std::unique_ptr<region::Region> region_;
  std::unique_ptr<Pool> pool_;
  OpenedFile file_;
};

}  // namespace mpool::internal

#endif  // MPOOL_TESTS_HIT_WARM_POOL_H_
