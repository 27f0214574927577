// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// shalloc_model_test.cc - compares a random sequence of calls, including
// invalid calls, with a model of each result and of the layout of the heap.
// MPOOL_SEED replays a run, MPOOL_ROUNDS multiplies its length.

#include <cstdio>
#include <cstring>
#include <limits>
#include <map>
#include <random>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/campaign.h"
#include "tests/support/status_matchers.h"
#include "tests/support/test_region.h"

namespace mpool::region {
namespace {

using absl::StatusCode;
using test::Fails;
using test::IsOk;

constexpr uint64_t kHeader = sizeof(Chunk);
constexpr uint64_t kMost = std::numeric_limits<uint64_t>::max();
constexpr uint64_t kTopBit = uint64_t{1} << 63;

// A first-fit allocator: address-ordered chunks, split from the tail, merged
// with free neighbours.
class Model {
 public:
  Model(uint64_t begin, uint64_t end) : begin_(begin), end_(end) {
    free_[begin] = end - begin;
  }

  // Returns the payload; nullopt if no chunk can hold it.
  std::optional<uint64_t> Take(uint64_t size, uint64_t alignment) {
    size = (size + 15) / 16 * 16;
    for (const auto& [at, bytes] : free_) {
      if (bytes < kHeader + size) continue;
      const uint64_t payload = (at + bytes - size) / alignment * alignment;
      if (payload < at + kHeader) continue;
      const uint64_t start = payload - kHeader;
      used_[payload] = at + bytes - start;
      if (start == at) {
        free_.erase(start);
      } else {
        free_[at] = start - at;
      }
      return payload;
    }
    return std::nullopt;
  }
  void Free(uint64_t payload) {
    const uint64_t bytes = used_.at(payload);
    used_.erase(payload);
    AddFree(payload - kHeader, bytes);
  }
  void GrowTo(uint64_t end) {
    AddFree(end_, end - end_);
    end_ = end;
  }

  bool Has(uint64_t payload) const { return used_.contains(payload); }
  uint64_t SizeOf(uint64_t payload) const {
    return used_.at(payload) - kHeader;
  }
  uint64_t begin() const { return begin_; }
  uint64_t end() const { return end_; }
  HeapStats Stats() const {
    HeapStats stats;
    for (const auto& [at, bytes] : free_) {
      ++stats.free_chunks;
      stats.free_bytes += bytes;
      stats.largest_free_bytes = std::max(stats.largest_free_bytes, bytes);
    }
    for (const auto& [payload, bytes] : used_) {
      ++stats.used_chunks;
      stats.used_bytes += bytes;
    }
    return stats;
  }

 private:
  void AddFree(uint64_t at, uint64_t bytes) {
    auto next = free_.lower_bound(at);
    if (next != free_.end() && next->first == at + bytes) {
      bytes += next->second;
      next = free_.erase(next);
    }
    if (next != free_.begin()) {
      const auto previous = std::prev(next);
      if (previous->first + previous->second == at) {
        previous->second += bytes;
        return;
      }
    }
    free_[at] = bytes;
  }

  const uint64_t begin_;
  uint64_t end_;
  std::map<uint64_t, uint64_t> free_;  // start of the chunk -> its bytes
  std::map<uint64_t, uint64_t> used_;  // payload -> bytes of its chunk
};

class ModelTest : public ::testing::TestWithParam<uint64_t> {
 protected:
  // The tenant's root is allocated already.
  ModelTest()
      : here_(*Attachment::Open(home_.path(), TestOptions(Backing::kHeap))),
        model_(header().heap_begin.load(), header().heap_end.load()),
        random_(test::Seed() + GetParam()) {
    EXPECT_EQ(model_.Take(sizeof(TestRoot), 64), header().root.load());
  }

  Shalloc& heap() { return here_->heap(); }
  Thread self() { return here_->self(); }
  RegionHeader& header() { return *here_->region().memory().header(); }
  std::byte* At(uint64_t offset) {
    return here_->region().memory().base() + offset;
  }
  uint64_t Below(uint64_t end) { return random_() % end; }
  template <size_t N>
  uint64_t OneOf(const uint64_t (&values)[N]) {
    return values[Below(N)];
  }

  // Returns mostly small sizes, sometimes a large size.
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
    bool published;
    std::atomic<uint64_t>* place;  // null if it is not linked
  };

  // Returns a word of the tenant that names no chunk; null if all name one.
  std::atomic<uint64_t>* FreePlace() {
    for (std::atomic<uint64_t>& place : here_->root().places) {
      if (place.load() == 0) return &place;
    }
    return nullptr;
  }
  bool AllAre(std::byte value, uint64_t offset, uint64_t size) {
    return *At(offset) == value &&
           std::memcmp(At(offset), At(offset + 1), size - 1) == 0;
  }

  void Take() {
    const uint64_t size = AnySize();
    const uint64_t alignment = AnyAlignment();
    std::atomic<uint64_t>* place = Below(4) == 0 ? FreePlace() : nullptr;
    const bool linked = place != nullptr;
    uint64_t prepared = 0;
    auto prepare = [&](uint64_t offset) {
      ASSERT_EQ(place->load(), 0u);
      ASSERT_TRUE(AllAre(std::byte{0}, offset, size));
      prepared = offset;
    };
    const auto got =
        linked ? heap().AllocateLinked(self(), size, alignment, place, prepare)
               : heap().Allocate(self(), size, alignment);
    std::optional<uint64_t> expected = model_.Take(size, alignment);
    if (!expected.has_value() && header().heap_end.load() != model_.end()) {
      model_.GrowTo(header().heap_end.load());
      expected = model_.Take(size, alignment);
    }
    if (!expected.has_value()) {
      ASSERT_THAT(got, Fails(StatusCode::kResourceExhausted, "grow region"));
      return;
    }
    ASSERT_THAT(got, IsOk());
    ASSERT_EQ(*got, *expected);
    ASSERT_EQ(heap().SizeOf(*got), model_.SizeOf(*got));
    ASSERT_GE(heap().SizeOf(*got), size);
    ASSERT_EQ(*got % alignment, 0u);
    if (linked) {
      ASSERT_EQ(prepared, *got);
      ASSERT_EQ(place->load(), *got);
    }
    ASSERT_TRUE(AllAre(std::byte{0}, *got, size));
    const auto mark = static_cast<std::byte>(1 + Below(255));
    std::memset(At(*got), static_cast<int>(mark), size);
    const bool publish = !linked && Below(2) == 0;
    if (publish) heap().Publish(*got);
    taken_[*got] = {size, mark, linked || publish, place};
  }

  // Returns a random taken offset; 0 if there is none.
  uint64_t AnyTaken() {
    if (taken_.empty()) return 0;
    return taken_.lower_bound(Below(taken_.rbegin()->first + 1))->first;
  }
  // Checks that a taken chunk kept its bytes, then removes it from the model.
  void Forget(uint64_t offset) {
    const Taken& taken = taken_.at(offset);
    ASSERT_TRUE(AllAre(taken.mark, offset, taken.size));
    if (taken.place != nullptr) taken.place->store(0);
    model_.Free(offset);
    taken_.erase(offset);
  }
  void GiveBack() {
    const uint64_t offset = AnyTaken();
    if (offset == 0) return;
    Forget(offset);
    ASSERT_THAT(heap().Free(self(), offset), IsOk());
    ASSERT_EQ(heap().SizeOf(offset), 0u);
    given_back_ = offset;
  }
  void GiveBackNonsense() {
    const uint64_t taken = AnyTaken();
    const uint64_t offset =
        OneOf({given_back_, Below(model_.end() + 4096),
               Below(model_.end()) & ~uint64_t{15}, taken + 1, taken + 8,
               taken + 16, taken - 8, taken - 16, 0, 16, model_.begin(),
               model_.end(), model_.end() + 16,
               here_->region().memory().mapping_bytes(), kTopBit,
               kTopBit + taken, kMost, kMost - 15});
    if (model_.Has(offset)) return;
    ASSERT_EQ(heap().SizeOf(offset), 0u) << offset;
    ASSERT_THAT(heap().Free(self(), offset),
                Fails(StatusCode::kInvalidArgument, absl::StrCat(offset)));
  }
  // Frees payload bytes that look like a chunk except for the place, the state
  // or the check value. Expects an error.
  void GiveBackForgery() {
    const uint64_t offset = AnyTaken();
    if (offset == 0 || taken_.at(offset).size < 4 * kHeader) return;
    const auto* real = reinterpret_cast<const Chunk*>(At(offset - kHeader));
    const uint64_t wrong = Below(3);
    const uint64_t chunk = offset + kHeader + (wrong == 0 ? kHeader / 2 : 0);
    uint64_t words[2] = {
        2 << 16 | (real->word.load() & 0xf),
        real->next.load() ^ (offset - kHeader) ^ chunk,
    };
    if (wrong == 1) words[0] ^= 3;
    if (wrong == 2) words[1] ^= uint64_t{1} << Below(64);
    std::memcpy(At(chunk), words, sizeof(words));
    ASSERT_THAT(heap().Free(self(), chunk + kHeader),
                Fails(StatusCode::kInvalidArgument));
    std::memset(At(chunk), static_cast<int>(taken_.at(offset).mark),
                sizeof(words));
  }
  void TakeNonsense() {
    uint64_t size = AnySize();
    uint64_t alignment = AnyAlignment();
    if (Below(2) == 0) {
      size = OneOf({0, here_->region().memory().mapping_bytes() + 1, kTopBit,
                    kTopBit - 8, kMost - 8, kMost - 15, kMost});
    } else {
      alignment = OneOf({0, 1, 8, 15, 17, 24, 48, 4096 + 16, uint64_t{4} << 20,
                         kTopBit, kMost});
    }
    std::atomic<uint64_t> place = 0;
    for (const auto& got :
         {heap().Allocate(self(), size, alignment),
          heap().AllocateLinked(self(), size, alignment, &place)}) {
      ASSERT_THAT(got, Fails(StatusCode::kInvalidArgument, absl::StrCat(size),
                             absl::StrCat(alignment)));
    }
    ASSERT_EQ(place.load(), 0u);
  }
  // Requests a valid size and alignment that no region can hold.
  void TakeTooMuch() {
    const uint64_t size =
        here_->region().memory().mapping_bytes() - 16 * Below(4);
    ASSERT_THAT(heap().Allocate(self(), size, AnyAlignment()),
                Fails(StatusCode::kResourceExhausted, "grow region"));
  }
  // Simulates a death: repair frees the chunks that are not published.
  void Die() {
    here_->RepairHeap();
    for (auto it = taken_.begin(); it != taken_.end();) {
      const auto [offset, taken] = *it++;
      if (!taken.published) Forget(offset);
    }
  }

  void Compare() {
    ASSERT_THAT(heap().Check(self()), IsOk());
    ASSERT_EQ(header().heap_end.load(), model_.end());
    const HeapStats stats = heap().Stats(self());
    const HeapStats expected = model_.Stats();
    ASSERT_EQ(stats.used_chunks, expected.used_chunks);
    ASSERT_EQ(stats.used_bytes, expected.used_bytes);
    ASSERT_EQ(stats.free_chunks, expected.free_chunks);
    ASSERT_EQ(stats.free_bytes, expected.free_bytes);
    ASSERT_EQ(stats.largest_free_bytes, expected.largest_free_bytes);
    ASSERT_EQ(stats.free_bytes + stats.used_bytes,
              model_.end() - model_.begin());
  }
  void Step(bool growing) {
    const uint64_t dice = Below(100);
    if (dice == 0) return Die();
    if (dice == 1) return TakeTooMuch();
    if (dice < 6) return TakeNonsense();
    if (dice < 12) return GiveBackNonsense();
    if (dice < 16) return GiveBackForgery();
    if (dice < (growing ? 70u : 40u)) return Take();
    GiveBack();
  }

  test::TempHome home_;
  std::unique_ptr<Attachment> here_;
  Model model_;
  std::mt19937_64 random_;
  std::map<uint64_t, Taken> taken_;
  uint64_t given_back_ = 0;
};

TEST_P(ModelTest, HeapAndModelAgreeAfterEveryCall) {
  // Flush now because an aborting sanitizer does not write buffered output.
  std::printf("MPOOL_SEED=%llu\n",
              static_cast<unsigned long long>(test::Seed()));
  std::fflush(stdout);
  const uint64_t steps = test::Rounds(1) * 1500;
  for (uint64_t step = 0; step < steps; ++step) {
    SCOPED_TRACE(absl::StrCat("MPOOL_SEED=", test::Seed(), ", step ", step));
    // The heap grows for 300 steps, then shrinks for 300 steps.
    Step(/*growing=*/step / 300 % 2 == 0);
    if (!HasFatalFailure()) Compare();
    if (HasFatalFailure()) return;
  }
  while (!taken_.empty()) {
    GiveBack();
    if (!HasFatalFailure()) Compare();
    if (HasFatalFailure()) return;
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, ModelTest,
                         ::testing::Range(uint64_t{0}, uint64_t{4}));

}  // namespace
}  // namespace mpool::region
