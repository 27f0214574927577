// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "region/slot_words.h"

#include "gtest/gtest.h"
#include "region/region.h"

namespace mpool::region {
namespace {

TEST(ProcessWordTest, FieldsAreSeparate) {
  for (const uint32_t generation : {0u, 1u, 0x800000u, 0xffffffu}) {
    for (const uint32_t other : {0u, 1u, 0x123456u, 0xffffffu}) {
      for (const uint32_t repairer : {0u, 1u, kMaxProcesses}) {
        for (const SlotState state :
             {SlotState::kFree, SlotState::kLive, SlotState::kRepairing}) {
          const ProcessWord word{generation, repairer, other, state};
          const ProcessWord back = ProcessWord::Unpack(word.Pack());
          EXPECT_EQ(back.generation, generation);
          EXPECT_EQ(back.repairer, repairer);
          EXPECT_EQ(back.repairer_generation, other);
          EXPECT_EQ(back.state, state);
        }
      }
    }
  }
}

TEST(ProcessWordTest, GenerationsWrapWithoutReachingTheOtherFields) {
  const ProcessWord word{.generation = 0x1000000,
                         .repairer = 7,
                         .repairer_generation = 0x1000001,
                         .state = SlotState::kRepairing};
  const ProcessWord back = ProcessWord::Unpack(word.Pack());
  EXPECT_EQ(back.generation, 0u);
  EXPECT_EQ(back.repairer_generation, 1u);
  EXPECT_EQ(back.repairer, 7u);
  EXPECT_EQ(back.state, SlotState::kRepairing);
}

TEST(ProcessWordTest, ZeroedMemoryIsAFreeSlot) {
  EXPECT_EQ(ProcessWord::Unpack(0).state, SlotState::kFree);
  EXPECT_EQ(ProcessWord().Pack(), 0u);
}

TEST(ThreadWordTest, FieldsAreSeparate) {
  for (const uint32_t generation : {0u, 1u, 0x80000000u, 0xffffffffu}) {
    for (const uint32_t process : {0u, 1u, kMaxProcesses, 0xffffu}) {
      for (const ThreadState state :
           {ThreadState::kFree, ThreadState::kLive, ThreadState::kLeaving}) {
        const ThreadWord word{generation, process, state};
        const ThreadWord back = ThreadWord::Unpack(word.Pack());
        EXPECT_EQ(back.generation, generation);
        EXPECT_EQ(back.process, process);
        EXPECT_EQ(back.state, state);
      }
    }
  }
}

TEST(ThreadWordTest, ZeroedMemoryIsAFreeSlot) {
  EXPECT_EQ(ThreadWord::Unpack(0).state, ThreadState::kFree);
  EXPECT_EQ(ThreadWord().Pack(), 0u);
}

#ifndef NDEBUG
TEST(ProcessWordDeathTest, ATransitionOutsideTheTableAborts) {
  const ProcessWord free{.generation = 4};
  const ProcessWord live{.generation = 5, .state = SlotState::kLive};
  const ProcessWord claim{.generation = 5,
                          .repairer = 2,
                          .repairer_generation = 1,
                          .state = SlotState::kRepairing};
  const ProcessWord heir{.generation = 6, .state = SlotState::kLive};
  CheckTransition(free, live);
  CheckTransition(live, claim);
  CheckTransition(claim, claim);
  CheckTransition(live, heir);
  CheckTransition(claim, heir);
  CheckTransition(live, {.generation = 5});
  CheckTransition(claim, {.generation = 5});
  EXPECT_DEATH(CheckTransition(live, live), "process slot");
  EXPECT_DEATH(CheckTransition(free, free), "process slot");
  EXPECT_DEATH(CheckTransition(free, claim), "process slot");
  EXPECT_DEATH(CheckTransition(live, free), "process slot");
  EXPECT_DEATH(CheckTransition(claim, live), "process slot");
}

TEST(ProcessWordTest, TheGenerationAfterTheLastIsZero) {
  CheckTransition({.generation = 0xffffff},
                  {.generation = 0x1000000, .state = SlotState::kLive});
}

TEST(ThreadWordDeathTest, ATransitionOutsideTheTableAborts) {
  const ThreadWord free{.generation = 4};
  const ThreadWord live{
      .generation = 4, .process = 3, .state = ThreadState::kLive};
  const ThreadWord leaving{
      .generation = 4, .process = 3, .state = ThreadState::kLeaving};
  CheckTransition(free, live);
  CheckTransition(live, leaving);
  CheckTransition(leaving, live);
  CheckTransition(live, {.generation = 5});
  CheckTransition(leaving, {.generation = 5});
  EXPECT_DEATH(CheckTransition(live, live), "thread slot");
  EXPECT_DEATH(CheckTransition(free, leaving), "thread slot");
  EXPECT_DEATH(CheckTransition(leaving, leaving), "thread slot");
  EXPECT_DEATH(CheckTransition(live, free), "thread slot");
  EXPECT_DEATH(CheckTransition(free, {.generation = 5}), "thread slot");
}

TEST(ThreadWordDeathTest, AFreeSlotCannotBeFreed) {
  std::atomic<uint64_t> word = 0;
  EXPECT_DEATH(SetThreadState(&word, ThreadState::kFree), "thread slot");
  ASSERT_TRUE(ClaimWord(&word, 3));
  SetThreadState(&word, ThreadState::kFree);
  EXPECT_EQ(ThreadWord::Unpack(word.load()).generation, 1u);
}
#endif

TEST(FixedHeaderTest, ChangedByteBreaksSeal) {
  FixedHeader fixed;
  fixed.version = kLayoutVersion;
  fixed.cache_bytes = 4096;
  Seal(&fixed);
  ASSERT_TRUE(IsSealed(fixed));
  auto* bytes = reinterpret_cast<uint8_t*>(&fixed);
  for (size_t i = 0; i < sizeof(fixed); ++i) {
    bytes[i] ^= 0x10;
    EXPECT_FALSE(IsSealed(fixed)) << "byte " << i;
    bytes[i] ^= 0x10;
  }
  EXPECT_TRUE(IsSealed(fixed));
}

TEST(FixedHeaderTest, ZerosOrEndlessNameAreNotWhole) {
  FixedHeader zeros;
  Seal(&zeros);
  EXPECT_FALSE(IsSealed(zeros));
  FixedHeader endless;
  endless.version = kLayoutVersion;
  for (char& c : endless.segment) c = 'x';
  Seal(&endless);
  EXPECT_FALSE(IsSealed(endless));
}

}  // namespace
}  // namespace mpool::region
