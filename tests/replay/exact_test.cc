// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// exact_test.cc - with one thread the pool's hits equal the hits of a simulator
// without shared code, to the last reference of real traces. A pool with
// another order of victims is detected.

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <string>

#include "gtest/gtest.h"
#include "mpool/evict/policies.h"
#include "mpool/get/hit.h"
#include "mpool/pool/pool.h"
#include "mpool/pool/signature.h"
#include "tools/trace/cache_sizes.h"
#include "tools/trace/simulator.h"
#include "tools/trace/trace.h"

namespace mpool::internal {

class PoolTester {
 public:
  static std::unique_ptr<Replacement>& policy(Pool& pool) {
    return pool.policy_.get();
  }
};

namespace {

constexpr uint32_t kPageBytes = 512;

// LRU, except that the page used last is the first victim.
class Reversed final : public Replacement {
 public:
  explicit Reversed(std::unique_ptr<Replacement> lru, FrameTable& frames)
      : lru_(std::move(lru)), frames_(frames) {}
  bool wants_hits() const override { return true; }
  OrderQueue order_queue() const override { return OrderQueue::kUsed; }
  void ApplyHits(ThreadContext& self) override { lru_->ApplyHits(self); }
  void Inserted(ThreadContext& self, BufferHeader& header,
                Access access) override {
    lru_->Inserted(self, header, access);
  }
  void Removed(ThreadContext& self, BufferHeader& header) override {
    lru_->Removed(self, header);
  }
  BufferHeader* NextVictim(ThreadContext& self, Search& search) override {
    lru_->ApplyHits(self);
    if (search.passed++ != 0) return nullptr;
    const FrameIndex last(
        frames_.page_class(search.page_class).order.tail.load());
    return last.is_none() ? nullptr : &frames_.header(last);
  }
  void LookAhead(ThreadContext&, const BufferHeader&, size_t,
                 std::vector<BufferHeader*>*) override {}

 private:
  std::unique_ptr<Replacement> lru_;
  FrameTable& frames_;
};

// A pool on the heap over a sparse file, without the API above it.
class OnePool {
 public:
  OnePool(Policy policy, uint64_t frames, uint64_t pages) {
    char home[] = "/tmp/mpool_exact_XXXXXX";
    home_ = mkdtemp(home);
    const std::string path = home_ + "/pages";
    const int fd = open(path.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    EXPECT_EQ(ftruncate(fd, static_cast<off_t>(pages * kPageBytes)), 0);
    close(fd);
    const uint64_t cache_bytes = frames * kPageBytes;
    region::RegionOptions options;
    options.backing = Backing::kHeap;
    options.shared = false;
    options.policy = policy;
    SizeRegion(cache_bytes, cache_bytes, &options);
    options.signature = LayoutSignature();
    region_ = *region::Region::Prepare(*os::File::OpenDirectory(home_),
                                      options);
    pool_ = std::make_unique<Pool>(*region_);
    EXPECT_TRUE(region_->Attach(pool_->client()).ok());
    EXPECT_TRUE(pool_->Start().ok());
    file_ = *pool_->OpenFile(
        {.file = std::make_shared<os::File>(*os::File::Open(path, {})),
         .path = path,
         .page_bytes = kPageBytes,
         .read_only = false});
  }
  ~OnePool() {
    EXPECT_TRUE(pool_->CloseFile(file_).ok());
    pool_->Stop();
    region_->Leave(os::ByteLock());
    unlink((home_ + "/pages").c_str());
    rmdir(home_.c_str());
  }
  Pool& pool() { return *pool_; }

  uint64_t HitsOf(const tools::Trace& trace) {
    for (size_t i = 0; i < trace.pages.size(); ++i) {
      if (trace.dirties[i]) {
        EXPECT_TRUE(
            pool_->getter().GetForUpdate(file_, trace.pages[i], {}).ok());
      } else {
        EXPECT_TRUE(pool_->getter().Get(file_, trace.pages[i], {}).ok());
      }
    }
    const EnvStats stats = pool_->Stats();
    EXPECT_EQ(stats.hits + stats.misses, trace.pages.size());
    EXPECT_EQ(stats.misses, stats.pages_read);
    return stats.hits;
  }

 private:
  std::string home_;
  std::unique_ptr<region::Region> region_;
  std::unique_ptr<Pool> pool_;
  OpenedFile file_;
};

// Optimized builds run every size; the slow other builds run one.
std::vector<double> Percents() {
#if defined(NDEBUG) && !defined(MPOOL_STEPS)
  return {1, 5, 10, 25};
#else
  return {10};
#endif
}

class ExactTest : public testing::TestWithParam<const char*> {
 protected:
  static tools::Trace Read() {
    return *tools::ReadTrace(std::string(MPOOL_SOURCE_DIR "/traces/") +
                             GetParam() + ".pt.gz");
  }
};

TEST_P(ExactTest, LruHitsMatchTextbookList) {
  const tools::Trace trace = Read();
  for (const double percent : Percents()) {
    const uint64_t frames =
        tools::FramesForPercent(percent, trace.page_count);
    OnePool pool(Policy::kLru, frames, trace.page_count);
    EXPECT_EQ(pool.HitsOf(trace), tools::LruHits(trace.pages, frames))
        << trace.name << " at " << percent << " %";
  }
}

TEST_P(ExactTest, HitsMatchSimulator) {
  const tools::Trace trace = Read();
  const uint64_t frames = tools::FramesForPercent(10, trace.page_count);
  for (const PolicyRow& row : kPolicyRows) {
    if (!row.is_built) continue;
    OnePool pool(row.policy, frames, trace.page_count);
    EXPECT_EQ(pool.HitsOf(trace), row.simulate(trace.pages, frames))
        << row.name;
  }
}

TEST_P(ExactTest, ReversedVictimsAreFoundOut) {
  const tools::Trace trace = Read();
  const uint64_t frames = tools::FramesForPercent(10, trace.page_count);
  OnePool pool(Policy::kLru, frames, trace.page_count);
  std::unique_ptr<Replacement>& policy = PoolTester::policy(pool.pool());
  policy = std::make_unique<Reversed>(std::move(policy), pool.pool().frames());
  EXPECT_NE(pool.HitsOf(trace), tools::LruHits(trace.pages, frames));
}

INSTANTIATE_TEST_SUITE_P(Traces, ExactTest,
                         testing::Values("sqlite-tpcc", "sqlite-htap", "oltp",
                                         "orm-busy"));

}  // namespace
}  // namespace mpool::internal
