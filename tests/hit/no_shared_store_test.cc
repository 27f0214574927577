// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// no_shared_store_test.cc - a warm get and put stores to no page of the region
// except the page of the thread's own ledger.

#include <sys/mman.h>
#include <sys/wait.h>

#include <functional>

#include "gtest/gtest.h"
#include "tests/hit/warm_pool.h"

namespace mpool::internal {
namespace {

// Makes every region page read-only in a child, except the page of the thread's
// own slot, and runs `body` there. Returns true if the child survives.
bool SurvivesProtection(WarmPool& pool, const std::function<void()>& body) {
  const pid_t child = fork();
  if (child == 0) {
    // The child is another thread, so it registers and warms up first.
    pool.GetAndPutAll();
    std::byte* own = reinterpret_cast<std::byte*>(
        reinterpret_cast<uintptr_t>(pool.slot()) & ~uintptr_t{4095});
    if (mprotect(pool.base(), pool.size_bytes(), PROT_READ) != 0 ||
        mprotect(own, 4096, PROT_READ | PROT_WRITE) != 0) {
      _exit(2);
    }
    body();
    _exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_FALSE(WIFEXITED(status) && WEXITSTATUS(status) == 2) << "mprotect";
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

TEST(NoSharedStoreTest, AThousandWarmGetsStoreOnlyToTheOwnLedger) {
  WarmPool pool;
  EXPECT_TRUE(SurvivesProtection(pool, [&] {
    for (PageNo i = 0; i < 1000; ++i) pool.GetAndPut(i % WarmPool::kPages);
  }));
}

TEST(NoSharedStoreTest, AnUpdateDoesStoreToASharedPageAndIsCaught) {
  WarmPool pool;
  EXPECT_FALSE(SurvivesProtection(pool, [&] { pool.Update(0); }));
}

}  // namespace
}  // namespace mpool::internal
