// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// shalloc_model_test.cc - a random sequence of calls beside a map that says
// what must be where. MPOOL_SEED replays a run.

#include <cstdlib>
#include <map>
#include <random>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "region/test_region.h"
#include "tests/support/status_matchers.h"

namespace mpool::region {
namespace {

using test::IsOk;

class ModelTest : public ::testing::TestWithParam<int> {
 protected:
  ModelTest()
      : here_(*Attachment::Open(home_.path(), TestOptions(Backing::kHeap))),
        before_(heap().Stats(self())) {
    const char* given = std::getenv("MPOOL_SEED");
    seed_ = given != nullptr ? std::strtoull(given, nullptr, 10)
                             : std::random_device{}();
    random_.seed(seed_ + static_cast<uint64_t>(GetParam()));
  }

  Shalloc& heap() { return here_->heap(); }
  Thread self() { return here_->self(); }
  uint64_t Below(uint64_t end) { return random_() % end; }

  // Mostly small, now and then large.
  uint64_t AnySize() {
    switch (Below(8)) {
      case 0:
        return 1 + Below(300 << 10);
      case 1:
        return 1 + Below(20 << 10);
      default:
        return 1 + Below(600);
    }
  }
  uint64_t AnyAlignment() {
    return uint64_t{16} << (Below(6) == 0 ? Below(18) : Below(5));
  }

  struct Taken {
    uint64_t size;
    std::byte mark;
  };

  void Take() {
    const uint64_t size = AnySize();
    const uint64_t alignment = AnyAlignment();
    const auto got = heap().Allocate(self(), size, alignment);
    if (!got.ok()) {
      ASSERT_TRUE(absl::IsResourceExhausted(got.status())) << got.status();
      return;
    }
    const uint64_t begin = *got;
    ASSERT_EQ(begin % alignment, 0u);
    ASSERT_GE(heap().SizeOf(begin), size);
    ASSERT_TRUE(here_->region().Contains(begin, size));
    const auto next = taken_.lower_bound(begin);
    if (next != taken_.end()) {
      ASSERT_LE(begin + size, next->first);
    }
    if (next != taken_.begin()) {
      const auto previous = std::prev(next);
      ASSERT_LE(previous->first + previous->second.size, begin);
    }
    std::byte* bytes = here_->region().base() + begin;
    for (uint64_t i = 0; i < size; ++i) ASSERT_EQ(bytes[i], std::byte{0});
    const auto mark = static_cast<std::byte>(1 + Below(255));
    std::memset(bytes, static_cast<int>(mark), size);
    if (Below(2) == 0) heap().Publish(begin);
    taken_[begin] = {size, mark};
  }

  void GiveBack() {
    if (taken_.empty()) return;
    auto it = taken_.lower_bound(Below(taken_.rbegin()->first + 1));
    const auto [begin, taken] = *it;
    const std::byte* bytes = here_->region().base() + begin;
    for (uint64_t i = 0; i < taken.size; ++i) ASSERT_EQ(bytes[i], taken.mark);
    ASSERT_THAT(heap().Free(self(), begin), IsOk());
    ASSERT_EQ(heap().SizeOf(begin), 0u);
    taken_.erase(it);
  }

  // An offset that is not the start of anything.
  void GiveBackNonsense() {
    const uint64_t end = here_->region().header()->heap_end.load();
    const uint64_t offset = Below(end + 4096);
    if (taken_.contains(offset)) return;
    if (here_->region().header()->root.load() == offset) return;
    ASSERT_FALSE(heap().Free(self(), offset).ok()) << offset;
  }

  test::TempHome home_;
  std::unique_ptr<Attachment> here_;
  const HeapStats before_;
  uint64_t seed_ = 0;
  std::mt19937_64 random_;
  std::map<uint64_t, Taken> taken_;
};

TEST_P(ModelTest, HeapAndMapAgreeAfterEveryCall) {
  SCOPED_TRACE(absl::StrCat("MPOOL_SEED=", seed_));
  RecordProperty("seed", std::to_string(seed_));
  std::printf("MPOOL_SEED=%llu\n", static_cast<unsigned long long>(seed_));
  for (int step = 0; step < 1500; ++step) {
    // Grows for a while, then shrinks.
    const bool growing = step / 300 % 2 == 0;
    const uint64_t dice = Below(10);
    if (dice == 0) {
      GiveBackNonsense();
    } else if (dice < (growing ? 7u : 3u)) {
      Take();
    } else {
      GiveBack();
    }
    ASSERT_FALSE(HasFatalFailure()) << "step " << step;
    ASSERT_THAT(heap().Check(self()), IsOk()) << "step " << step;
    ASSERT_EQ(heap().Stats(self()).used_chunks,
              before_.used_chunks + taken_.size());
  }
  while (!taken_.empty()) {
    GiveBack();
    ASSERT_FALSE(HasFatalFailure());
    ASSERT_THAT(heap().Check(self()), IsOk());
  }
  const HeapStats after = heap().Stats(self());
  // What the heap grew by lies behind the tenant's root.
  const bool grown = here_->region().header()->size_bytes.load() > kTestBytes;
  EXPECT_EQ(after.free_chunks, before_.free_chunks + (grown ? 1 : 0));
  EXPECT_EQ(after.used_bytes, before_.used_bytes);
}

INSTANTIATE_TEST_SUITE_P(Seeds, ModelTest, ::testing::Range(0, 4));

}  // namespace
}  // namespace mpool::region
