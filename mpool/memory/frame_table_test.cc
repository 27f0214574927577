// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "mpool/memory/frame_table.h"

#include <linux/futex.h>

#include <map>
#include <set>
#include <vector>

#include "gtest/gtest.h"
#include "os/futex.h"
#include "tests/support/dead_latch.h"
#include "tests/support/system.h"
#include "tests/support/test_pool.h"

namespace mpool::internal {
namespace {

class FramesTest : public ::testing::TestWithParam<uint32_t> {
 protected:
  uint32_t page_bytes() const { return GetParam(); }
  PageClass page_class() const { return PageClass::OfSize(GetParam()); }
};

// Expects `frames` frames that do not overlap and lie inside the cache.
void ExpectApart(TestPool& pool, uint64_t frames) {
  std::map<uint64_t, uint64_t> ends;
  std::set<BufferHeader*> headers;
  const FrameTable& table = pool.pool().frames();
  const uint64_t begin = table.extents().memory();
  table.ForEachHeader([&](BufferHeader& frame) {
    headers.insert(&frame);
    const uint64_t at = frame.data_offset();
    const uint64_t size = frame.page_class().bytes();
    EXPECT_GE(at, begin);
    EXPECT_LE(at + size, begin + table.extents().cache_bytes());
    EXPECT_EQ((at - begin) % std::min<uint64_t>(size, 4096), 0u);
    ends[at] = at + size;
  });
  EXPECT_EQ(ends.size(), frames);
  EXPECT_EQ(headers.size(), frames);
  uint64_t last = 0;
  for (const auto& [at, end] : ends) {
    EXPECT_LE(last, at);
    last = end;
  }
}

TEST_P(FramesTest, TheCacheIsCutToTheFrame) {
  // Five extents of 64 KiB, and a short one of half an extent or one page.
  const uint64_t cache =
      (5 * 64 << 10) + std::max<uint64_t>(page_bytes(), 32 << 10);
  TestPool pool(cache);
  FrameTable& frames = pool.pool().frames();
  int cuts = 0;
  while (*frames.extents().Cut(pool.self(), page_class())) ++cuts;
  EXPECT_EQ(cuts, 6);
  ExpectApart(pool, cache / page_bytes());
  // Each frame has its own position in the ring, and the ring has no other
  // frame.
  uint64_t in_ring = 0;
  for (uint64_t i = 0; i < frames.extents().RingSize(page_class()); ++i) {
    BufferHeader* header = frames.extents().AtPosition(page_class(), i);
    if (header == nullptr) continue;
    EXPECT_EQ(header->position.load(), i);
    ++in_ring;
  }
  EXPECT_EQ(in_ring, cache / page_bytes());
}

TEST_P(FramesTest, EveryFrameIsTakenOnce) {
  const uint64_t cache = std::max<uint64_t>(128 << 10, 16 * page_bytes());
  TestPool pool(cache);
  FrameTable& frames = pool.pool().frames();
  std::set<BufferHeader*> taken;
  do {
    while (BufferHeader* header = frames.TakeFree(pool.self(), page_class())) {
      EXPECT_TRUE(taken.insert(header).second);
      EXPECT_EQ(header->Load().phase(), Phase::kLoading);
      EXPECT_EQ(header->Load().owner(), pool.self().id);
    }
  } while (*frames.extents().Cut(pool.self(), page_class()));
  EXPECT_EQ(taken.size(), cache / page_bytes());
  BufferHeader* back = *taken.begin();
  frames.GiveBack(pool.self(), *back);
  EXPECT_EQ(back->Load().phase(), Phase::kFree);
  EXPECT_EQ(frames.TakeFree(pool.self(), page_class()), back);
  EXPECT_EQ(frames.TakeFree(pool.self(), page_class()), nullptr);
}

INSTANTIATE_TEST_SUITE_P(PageSizes, FramesTest,
                         ::testing::Values(512u, 1024u, 2048u, 4096u, 8192u,
                                           16384u, 32768u, 65536u));

TEST(FrameTableTest, PageSizesTakeExtentsAsTheyCome) {
  TestPool pool(6 * 64 << 10);
  FrameTable& frames = pool.pool().frames();
  const std::vector<uint32_t> order = {512, 4096, 65536, 512, 16384, 4096};
  uint64_t count = 0;
  for (const uint32_t bytes : order) {
    EXPECT_TRUE(*frames.extents().Cut(pool.self(), PageClass::OfSize(bytes)));
    count += (64 << 10) / bytes;
  }
  for (const PageClass c : kAllPageClasses) {
    EXPECT_FALSE(*frames.extents().Cut(pool.self(), c)) << c.bytes();
  }
  ExpectApart(pool, count);
  EXPECT_EQ(frames.extents().RingSize(PageClass(0)), 256u);
  EXPECT_EQ(frames.extents().RingSize(PageClass(3)), 32u);
  EXPECT_EQ(frames.extents().RingSize(PageClass(4)), 0u);
}

TEST(FrameTableTest, AQueueGivesBackInItsOrder) {
  TestPool pool(64 << 10);
  FrameTable& frames = pool.pool().frames();
  ASSERT_TRUE(*frames.extents().Cut(pool.self(), PageClass(3)));
  std::vector<BufferHeader*> taken;
  for (int i = 0; i < 6; ++i)
    taken.push_back(frames.TakeFree(pool.self(), PageClass(3)));
  ClassHeader& c = frames.page_class(PageClass(3));
  region::LatchGuard guard(pool.self(), c.queue_latch);
  for (const size_t i : {2u, 0u, 4u}) {
    frames.queues().Link(*taken[i], Queue::kReplacement,
                         FrameQueues::End::kBack);
  }
  frames.queues().Link(*taken[5], Queue::kReplacement,
                       FrameQueues::End::kFront);
  frames.queues().Unlink(*taken[0]);
  std::vector<FrameIndex> seen;
  for (FrameIndex at(c.order.head.load()); !at.is_none();
       at = FrameIndex(frames.header(at).next.load())) {
    seen.push_back(at);
  }
  EXPECT_EQ(seen, (std::vector<FrameIndex>{frames.IndexOf(*taken[5]),
                                           frames.IndexOf(*taken[2]),
                                           frames.IndexOf(*taken[4])}));
  EXPECT_EQ(c.order.tail.load(), frames.IndexOf(*taken[4]).value());
  EXPECT_EQ(taken[0]->queue.load(), static_cast<uint32_t>(Queue::kNone));
}

TEST(FrameTableTest, RebuildFindsEveryFreeFrameAgain) {
  TestPool pool(64 << 10);
  FrameTable& frames = pool.pool().frames();
  ASSERT_TRUE(*frames.extents().Cut(pool.self(), PageClass(3)));
  BufferHeader* kept = frames.TakeFree(pool.self(), PageClass(3));
  // Two deaths: one thread popped a frame and did not acquire it. The other
  // left the queue latch locked and a list half linked.
  ClassHeader& c = frames.page_class(PageClass(3));
  region::LeaveLocked(c.queue_latch,
                      {.id = 99, .watch = &pool.region().repairer()});
  c.free.head.store(frames.IndexOf(*kept).value());
  RepairReport report;
  region::DeadThreads dead;
  dead.set(99);
  frames.Rebuild({pool.self(), 1, dead, &report}, OrderQueue::kUnused);
  EXPECT_EQ(report.latches, 1u);
  std::set<BufferHeader*> found;
  while (BufferHeader* header = frames.TakeFree(pool.self(), PageClass(3))) {
    EXPECT_TRUE(found.insert(header).second);
  }
  EXPECT_EQ(found.size(), 15u);
  EXPECT_FALSE(found.contains(kept));
}

TEST(CutWordTest, LegalCutsMayFollowEachOther) {
  const auto word = [](uint64_t frames, uint32_t drainer) {
    return CutWord{PageClass(3), frames, drainer}.Pack();
  };
  CheckCutTransition(0, word(16, 0));
  CheckCutTransition(word(8, 0), word(16, 0));
  CheckCutTransition(word(8, 5), word(16, 5));
  CheckCutTransition(word(16, 0), word(16, 5));
  CheckCutTransition(word(16, 5), word(16, 0));
  CheckCutTransition(word(16, 5), word(8, 0));
  CheckCutTransition(word(16, 5), 0);
}

#ifndef NDEBUG
TEST(CutWordDeathTest, CutWithoutDrainerKeepsItsFrames) {
  constexpr char kIllegal[] = "illegal change of a extent word";
  const uint64_t cut = CutWord{PageClass(3), 16}.Pack();
  EXPECT_DEATH(CheckCutTransition(cut, 0), kIllegal);
  EXPECT_DEATH(CheckCutTransition(cut, CutWord{PageClass(3), 8}.Pack()),
               kIllegal);
  EXPECT_DEATH(CheckCutTransition(cut, CutWord{PageClass(4), 8}.Pack()),
               kIllegal);
  EXPECT_DEATH(CheckCutTransition(0, CutWord{PageClass(3), 16, 5}.Pack()),
               kIllegal);
}

TEST(CutWordDeathTest, ExtentIsNotRetiredWithoutDrain) {
  TestPool pool(64 << 10);
  ExtentTable& extents = pool.pool().frames().extents();
  ASSERT_TRUE(*extents.Cut(pool.self(), PageClass(3)));
  while (pool.pool().frames().TakeFree(pool.self(), PageClass(3)) != nullptr) {
  }
  EXPECT_DEATH(extents.Retire(pool.self(), 0, extents.cut(0), 0), "drainer");
}
#endif

class FrameWaitersTest : public os::SyscallTest {};

TEST_F(FrameWaitersTest, ReturnedFrameWakesSleeper) {
  TestPool pool(128 << 10);
  FrameTable& frames = pool.pool().frames();
  const PageClass page_class = PageClass::OfSize(4096);
  ASSERT_TRUE(*frames.extents().Cut(pool.self(), page_class));
  static const void* woken = nullptr;
  os::Sys().futex = [](uint32_t* word, int op, uint32_t value,
                       const timespec* limit) {
    if (op == FUTEX_WAKE) woken = word;
    return os::RealSyscalls().futex(word, op, value, limit);
  };
  auto take = [&] {
    woken = nullptr;
    BufferHeader* header = frames.TakeFree(pool.self(), page_class);
    State seen = header->Load();
    EXPECT_TRUE(header->Change(&seen, seen.With(State::kWaiters)));
    return header;
  };
  BufferHeader* header = take();
  frames.GiveBack(pool.self(), *header);
  EXPECT_EQ(woken, os::LowHalf(&header->state));
  const uint64_t keep = frames.extents().cut(0).frames - 1;
  do {
    header = take();
  } while (header != frames.extents().HeadersOf(0, page_class) + keep);
  const CutWord now = frames.extents().cut(0);
  EXPECT_TRUE(frames.extents().BeginDrain(pool.self(), 0, now, keep, 0));
  EXPECT_TRUE(frames.extents().Retire(pool.self(), 0, now, keep));
  EXPECT_EQ(woken, os::LowHalf(&header->state));
}

}  // namespace
}  // namespace mpool::internal
