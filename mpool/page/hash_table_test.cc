// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "mpool/page/hash_table.h"

#include <map>
#include <random>
#include <vector>

#include "gtest/gtest.h"
#include "tests/support/dead_latch.h"
#include "tests/support/test_pool.h"

namespace mpool::internal {
namespace {

constexpr uint64_t kHeaders = 400;

// A separate table, and headers that carry keys.
class HashTableTest : public ::testing::Test {
 protected:
  HashTableTest() {
    region::Shalloc& heap = pool_.region().memory().heap();
    headers_ = *heap.Allocate(pool_.self(), kHeaders * sizeof(BufferHeader),
                              kLineBytes);
  }
  void Use(uint32_t buckets) {
    table_.Attach(*pool_.region().memory().heap().Allocate(
                      pool_.self(), buckets * sizeof(Bucket), kLineBytes),
                  buckets);
  }
  FrameIndex Frame(uint64_t i) const {
    return FrameIndex::AtOffset(headers_ + i * kLineBytes);
  }
  void SetKey(uint64_t i, PageKey key) {
    pool_.region()
        .memory()
        .At<BufferHeader>(headers_ + i * sizeof(BufferHeader))
        ->key.store(key.bits());
  }
  // Inserts as the pool does.
  void Insert(uint64_t hash, FrameIndex frame) {
    if (table_.Insert(hash, frame)) return;
    table_.InsertWithLine(
        hash, frame,
        *pool_.region().memory().heap().Allocate(pool_.self(), sizeof(Bucket),
                                        kLineBytes));
  }
  // Returns the number of overflow lines of the bucket.
  int Lines(uint64_t hash) {
    int lines = 0;
    for (uint64_t at = table_.bucket(hash).overflow.load(); at != 0; ++lines) {
      at = pool_.region().memory().At<Bucket>(at * kLineBytes)->overflow.load();
    }
    return lines;
  }

  TestPool pool_{uint64_t{1} << 20};
  HashTable table_{pool_.region().memory()};
  uint64_t headers_ = 0;
};

TEST_F(HashTableTest, ThreeFramesShareABucket) {
  EXPECT_EQ(HashTable::BucketsFor(1), 1u);
  EXPECT_EQ(HashTable::BucketsFor(3), 1u);
  EXPECT_EQ(HashTable::BucketsFor(4), 2u);
  EXPECT_EQ(HashTable::BucketsFor(3000), 1000u);
}

TEST_F(HashTableTest, InsertedPageIsFoundUntilRemoved) {
  Use(8);
  std::map<PageKey, FrameIndex> model;
  std::mt19937_64 random(7);
  for (int i = 0; i < 20000; ++i) {
    const uint32_t n = static_cast<uint32_t>(random() % kHeaders);
    const PageKey key = PageKey::Make(PageKey::FileKey(n % 3, 1), n);
    const uint64_t hash = HashTable::Hash(key);
    if (model.contains(key)) {
      EXPECT_TRUE(table_.Names(hash, Frame(n)));
      EXPECT_TRUE(table_.Remove(hash, Frame(n)));
      model.erase(key);
    } else {
      SetKey(n, key);
      EXPECT_FALSE(table_.Remove(hash, Frame(n)));
      Insert(hash, Frame(n));
      model[key] = Frame(n);
    }
    const uint32_t other = static_cast<uint32_t>(random() % kHeaders);
    const PageKey wanted = PageKey::Make(PageKey::FileKey(other % 3, 1), other);
    const auto known = model.find(wanted);
    ASSERT_EQ(table_.Find(HashTable::Hash(wanted), wanted),
              known == model.end() ? kNoFrame : known->second);
  }
}

TEST_F(HashTableTest, FullBucketReusesOverflowLines) {
  Use(1);
  for (uint64_t n = 0; n < 3 * kBucketSlots; ++n) {
    SetKey(n, PageKey(n));
    Insert(n, Frame(n));
  }
  EXPECT_EQ(Lines(0), 2);
  for (uint64_t n = 0; n < 3 * kBucketSlots; ++n) {
    EXPECT_EQ(table_.Find(n, PageKey(n)), Frame(n));
  }
  // A freed slot in the middle is used again, and no line is added.
  EXPECT_TRUE(table_.Remove(kBucketSlots + 2, Frame(kBucketSlots + 2)));
  EXPECT_EQ(table_.Find(kBucketSlots + 2, PageKey(kBucketSlots + 2)), kNoFrame);
  SetKey(50, PageKey(50));
  EXPECT_TRUE(table_.Insert(50, Frame(50)));
  EXPECT_EQ(table_.Find(50, PageKey(50)), Frame(50));
  EXPECT_EQ(Lines(0), 2);
}

TEST_F(HashTableTest, EqualTagsAreDistinguishedByKey) {
  Use(4);
  constexpr uint64_t kHash = 0x1234567890abcdef;
  for (uint64_t n = 0; n < 12; ++n) {
    SetKey(n, PageKey(1000 + n));
    Insert(kHash, Frame(n));
  }
  for (uint64_t n = 0; n < 12; ++n) {
    EXPECT_EQ(table_.Find(kHash, PageKey(1000 + n)), Frame(n));
  }
  EXPECT_TRUE(table_.Remove(kHash, Frame(5)));
  EXPECT_EQ(table_.Find(kHash, PageKey(1005)), kNoFrame);
  EXPECT_EQ(table_.Find(kHash, PageKey(1006)), Frame(6));
}

TEST_F(HashTableTest, SlotOfAnotherPageIsNoHit) {
  Use(1);
  constexpr PageKey kKey(77);
  SetKey(0, kKey);
  Insert(HashTable::Hash(kKey), Frame(0));
  SetKey(0, PageKey(78));  // the frame has another page; the slot is stale
  EXPECT_EQ(table_.Find(HashTable::Hash(kKey), kKey), kNoFrame);
  EXPECT_TRUE(table_.Names(HashTable::Hash(kKey), Frame(0)));
}

TEST_F(HashTableTest, OnlyLatchesOfDeadAreReleased) {
  Use(6);
  region::Region& region = pool_.region();
  // Bucket i begins at hash i * 2^64 / 6.
  auto bucket = [&](uint64_t i) -> Bucket& {
    return table_.bucket(i * (~uint64_t{0} / 6) + 12345);
  };
  region::LeaveLocked(bucket(1).latch,
                      {.id = 300, .watch = &region.repairer()});
  region::LeaveLocked(bucket(4).latch,
                      {.id = 301, .watch = &region.repairer()});
  RepairReport report;
  region::DeadThreads dead;
  dead.set(300);
  EXPECT_EQ(table_.ReleaseDead({pool_.self(), 1, dead, &report}), 1u);
  EXPECT_EQ(bucket(1).latch.owner(), 0u);
  EXPECT_EQ(bucket(4).latch.owner(), 301u);
}

}  // namespace
}  // namespace mpool::internal
