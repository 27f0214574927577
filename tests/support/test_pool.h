// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// test_pool.h - a pool in private memory, for the tests of mpool/.

#ifndef MPOOL_TESTS_SUPPORT_TEST_POOL_H_
#define MPOOL_TESTS_SUPPORT_TEST_POOL_H_

#include <cstdlib>
#include <memory>
#include <string>

#include "mpool/get/hit.h"
#include "mpool/pool/pool.h"
#include "mpool/pool/signature.h"
#include "tests/support/system.h"

namespace mpool::internal {

class TestPool {
 public:
  explicit TestPool(uint64_t cache_bytes, Policy policy = Policy::kClock) {
    region::RegionOptions options;
    options.backing = Backing::kHeap;
    options.shared = false;
    options.policy = policy;
    SizeRegion(cache_bytes, cache_bytes, &options);
    options.signature = LayoutSignature();
    region_ = *region::Region::Prepare(*os::File::OpenDirectory(dir_.path()),
                                       options);
    pool_ = std::make_unique<Pool>(*region_);
    if (!region_->Attach(pool_->client()).ok() || !pool_->Start().ok())
      std::abort();
    self_ = *region_->members().RegisterThread();
  }
  ~TestPool() {
    pool_->Stop();
    bool is_last = false;
    region_->Leave(*region_->BeginLeave(&is_last));
  }
  TestPool(const TestPool&) = delete;
  TestPool& operator=(const TestPool&) = delete;

  Pool& pool() { return *pool_; }
  region::Region& region() { return *region_; }
  // Returns a thread of the region; it differs from the thread that the pool
  // registers by itself.
  const region::Thread& self() const { return self_; }

  // Opens a new file of `pages` zeroed pages in the pool.
  OpenedFile Open(const std::string& name, uint32_t page_bytes,
                  uint64_t pages) {
    auto file = std::make_shared<os::File>(
        *os::File::Open(dir_.Below(name), {.create = true}));
    if (!file->Resize(pages * page_bytes).ok()) std::abort();
    return *pool_->OpenFile(
        {.file = file, .path = dir_.Below(name), .page_bytes = page_bytes});
  }

 private:
  os::TempDir dir_;
  std::unique_ptr<region::Region> region_;
  std::unique_ptr<Pool> pool_;
  region::Thread self_;
};

}  // namespace mpool::internal

#endif  // MPOOL_TESTS_SUPPORT_TEST_POOL_H_
