// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "region/shalloc.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"
#include "tests/support/test_region.h"

namespace mpool::region {
namespace {

using absl::StatusCode;
using test::Fails;
using test::IsOk;

class ShallocTest : public ::testing::Test {
 protected:
  ShallocTest()
      : here_(*Attachment::Open(home_.path(), TestOptions(Backing::kHeap))),
        before_(heap().Stats(self())) {}
  ~ShallocTest() override { EXPECT_THAT(heap().Check(self()), IsOk()); }

  Shalloc& heap() { return here_->heap(); }
  Thread self() { return here_->self(); }
  uint64_t Take(uint64_t size, uint64_t alignment = 16) {
    const auto taken = heap().Allocate(self(), size, alignment);
    EXPECT_THAT(taken, IsOk());
    return taken.value_or(0);
  }

  test::TempHome home_;
  std::unique_ptr<Attachment> here_;
  const HeapStats before_;
};

TEST_F(ShallocTest, AllocatedChunkIsZeroedAndLargeEnough) {
  const uint64_t dirty = Take(4096);
  std::memset(here_->region().memory().base() + dirty, 0xff, 4096);
  ASSERT_THAT(heap().Free(self(), dirty), IsOk());
  const uint64_t clean = Take(4000);
  EXPECT_GE(heap().SizeOf(clean), 4000u);
  const std::byte* bytes = here_->region().memory().base() + clean;
  for (size_t i = 0; i < 4000; ++i) ASSERT_EQ(bytes[i], std::byte{0});
}

TEST_F(ShallocTest, FreedNeighboursCoalesceInAnyOrder) {
  for (const auto& order : std::vector<std::vector<int>>{
           {0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}}) {
    uint64_t taken[3];
    for (uint64_t& offset : taken) offset = Take(1000);
    for (const int i : order) {
      EXPECT_THAT(heap().Free(self(), taken[i]), IsOk());
      EXPECT_THAT(heap().Check(self()), IsOk());
    }
    const HeapStats after = heap().Stats(self());
    EXPECT_EQ(after.free_chunks, before_.free_chunks);
    EXPECT_EQ(after.free_bytes, before_.free_bytes);
  }
}

TEST_F(ShallocTest, ASecondFreeIsRefused) {
  const uint64_t first = Take(100);
  const uint64_t second = Take(100);
  EXPECT_THAT(heap().Free(self(), first), IsOk());
  EXPECT_THAT(heap().Free(self(), first),
              Fails(StatusCode::kInvalidArgument, "free in region",
                    std::to_string(first), "freed twice"));
  EXPECT_THAT(heap().Free(self(), second), IsOk());
  EXPECT_THAT(heap().Free(self(), second), Fails(StatusCode::kInvalidArgument));
}

TEST_F(ShallocTest, DoubleFreeOfCoalescedChunkIsRefused) {
  const uint64_t low = Take(100);
  const uint64_t high = Take(100);
  EXPECT_THAT(heap().Free(self(), high), IsOk());
  EXPECT_THAT(heap().Free(self(), low), IsOk());
  EXPECT_EQ(heap().SizeOf(low), 0u);
  EXPECT_EQ(heap().SizeOf(high), 0u);
  EXPECT_THAT(heap().Free(self(), low), Fails(StatusCode::kInvalidArgument));
}

TEST_F(ShallocTest, ForeignAndMisalignedOffsetsAreRefused) {
  const uint64_t taken = Take(1024);
  const uint64_t end = here_->region().memory().header()->heap_end.load();
  for (const uint64_t offset :
       {uint64_t{0}, uint64_t{8}, taken + 1, taken + 8, taken + 16, taken - 16,
        taken + 512, end - 16, end, end + 16, end + (uint64_t{1} << 30),
        ~uint64_t{0}, ~uint64_t{15}}) {
    EXPECT_EQ(heap().SizeOf(offset), 0u) << offset;
    EXPECT_THAT(heap().Free(self(), offset),
                Fails(StatusCode::kInvalidArgument, "not an allocation"))
        << offset;
  }
  EXPECT_THAT(heap().Free(self(), taken), IsOk());
}

TEST_F(ShallocTest, AbsurdSizesAndAlignmentsAreRefused) {
  const uint64_t limit = here_->region().memory().mapping_bytes();
  for (const uint64_t size : {uint64_t{0}, limit + 1, ~uint64_t{0},
                              ~uint64_t{15}, uint64_t{1} << 63}) {
    EXPECT_THAT(heap().Allocate(self(), size, 16),
                Fails(StatusCode::kInvalidArgument, "allocate in region",
                      "out of range", std::to_string(size)));
  }
  for (const uint64_t alignment :
       {uint64_t{0}, uint64_t{1}, uint64_t{8}, uint64_t{24}, uint64_t{4} << 20,
        ~uint64_t{0}}) {
    EXPECT_THAT(heap().Allocate(self(), 16, alignment),
                Fails(StatusCode::kInvalidArgument, "alignment"));
  }
}

TEST_F(ShallocTest, LargeAlignmentIsKept) {
  std::vector<uint64_t> taken;
  for (uint64_t alignment = 16; alignment <= 2 << 20; alignment *= 2) {
    taken.push_back(Take(33, alignment));
    EXPECT_EQ(taken.back() % alignment, 0u);
  }
  for (const uint64_t offset : taken) {
    EXPECT_THAT(heap().Free(self(), offset), IsOk());
  }
  EXPECT_EQ(heap().Stats(self()).used_bytes, before_.used_bytes);
}

TEST_F(ShallocTest, HeapGrowsUntilNamedLimit) {
  const uint64_t size_before =
      here_->region().memory().header()->size_bytes.load();
  std::vector<uint64_t> taken;
  while (true) {
    const auto more = heap().Allocate(self(), kTestBytes, 16);
    if (!more.ok()) {
      EXPECT_THAT(more, Fails(StatusCode::kResourceExhausted, "grow region of",
                              home_.path(), "larger cache"));
      break;
    }
    taken.push_back(*more);
    ASSERT_LT(taken.size(), 100u);
  }
  EXPECT_GT(taken.size(), 50u);
  EXPECT_GT(here_->region().memory().header()->size_bytes.load(), size_before);
  ASSERT_THAT(heap().Check(self()), IsOk());
  for (const uint64_t offset : taken) {
    EXPECT_THAT(heap().Free(self(), offset), IsOk());
  }
  const HeapStats after = heap().Stats(self());
  // The new memory lies behind the tenant's root.
  EXPECT_EQ(after.free_chunks, before_.free_chunks + 1);
  EXPECT_EQ(after.used_bytes, before_.used_bytes);
  EXPECT_NE(Take(32 * kTestBytes), 0u);
}

TEST_F(ShallocTest, LinkedChunkIsFilledBeforeLink) {
  std::atomic<uint64_t>& place = here_->root().places[0];
  uint64_t named_while_filled = 1;
  const auto linked =
      heap().AllocateLinked(self(), 64, 64, &place, [&](uint64_t offset) {
        named_while_filled = place.load();
        here_->region().memory().base()[offset] = std::byte{7};
      });
  ASSERT_THAT(linked, IsOk());
  EXPECT_EQ(place.load(), *linked);
  EXPECT_EQ(named_while_filled, 0u);
  EXPECT_EQ(here_->region().memory().base()[*linked], std::byte{7});
}

#ifndef NDEBUG
TEST(ChunkDeathTest, ATransitionOutsideTheTableAborts) {
  constexpr uint64_t kFree = 1;
  constexpr uint64_t kUsed = 2;
  constexpr uint64_t kSize = uint64_t{4} << 16;  // 64 bytes
  constexpr uint64_t kTag = uint64_t{7} << 4;
  CheckChunkTransition(0, kSize | kFree);
  CheckChunkTransition(0, kSize | kTag | kUsed);
  CheckChunkTransition(kSize | kFree, kSize | kTag | kUsed);
  CheckChunkTransition(kSize | kFree, kSize * 2 | kFree);
  CheckChunkTransition(kSize | kTag | kUsed, kSize | kUsed);
  CheckChunkTransition(kSize | kUsed, kSize | kFree);
  EXPECT_DEATH(CheckChunkTransition(kSize | kFree, kSize | kFree), "chunk");
  EXPECT_DEATH(CheckChunkTransition(kSize | kUsed, kSize * 2 | kUsed), "chunk");
  EXPECT_DEATH(CheckChunkTransition(kSize | kUsed, kSize * 2 | kFree), "chunk");
  EXPECT_DEATH(CheckChunkTransition(kSize | kUsed, kSize | kTag | kFree),
               "chunk");
  EXPECT_DEATH(CheckChunkTransition(kSize | kUsed, kFree), "chunk");
  EXPECT_DEATH(CheckChunkTransition(kSize | kUsed, kSize), "chunk");
}

TEST_F(ShallocTest, ATagForAFreeChunkAborts) {
  const uint64_t taken = Take(500);
  ASSERT_THAT(heap().Free(self(), taken), IsOk());
  EXPECT_DEATH(heap().Publish(taken), "IsUsed\\(seen\\)");
}
#endif

TEST_F(ShallocTest, RepairFreesOnlyUnlinkedChunks) {
  const uint64_t loose = Take(500);
  const uint64_t published = Take(500);
  heap().Publish(published);
  ASSERT_THAT(heap().AllocateLinked(self(), 500, 16, &here_->root().places[1]),
              IsOk());
  // Simulates a death between the store of the link and the clear of its tag.
  const uint64_t half_linked = Take(500);
  self().slot->intent_place.store(
      here_->region().memory().OffsetOf(&here_->root().places[2]));
  self().slot->intent_chunk.store(half_linked);
  here_->root().places[2].store(half_linked);
  here_->RepairHeap();
  self().slot->intent_chunk.store(0);
  EXPECT_EQ(heap().SizeOf(loose), 0u);
  EXPECT_NE(heap().SizeOf(published), 0u);
  EXPECT_NE(heap().SizeOf(here_->root().places[1].load()), 0u);
  EXPECT_NE(heap().SizeOf(half_linked), 0u);
  // No chunk is tagged any more, so a second repair changes nothing.
  const HeapStats once = heap().Stats(self());
  here_->RepairHeap();
  EXPECT_EQ(heap().Stats(self()).used_bytes, once.used_bytes);
}

}  // namespace
}  // namespace mpool::region
