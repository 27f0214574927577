// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "mpool/page/buffer_header.h"

#include <initializer_list>
#include <utility>

#include "gtest/gtest.h"

namespace mpool::internal {
namespace {

constexpr uint32_t kMe = 0xabc;

State In(Phase phase) { return State{}.WithPhase(phase); }
State Owned(Phase phase) { return In(phase).WithOwner(kMe); }
const State kValid = In(Phase::kValid);

TEST(StateTest, FieldsDoNotTouchOneAnother) {
  const State all = In(Phase::kPoisoned)
                        .With(State::kDirty | State::kWriting |
                              State::kUnsynced | State::kHint |
                              State::kWaiters)
                        .WithOwner(0xfff);
  EXPECT_EQ(all.phase(), Phase::kPoisoned);
  EXPECT_EQ(all.owner(), 0xfffu);
  EXPECT_EQ(all.version(), 0u);
  EXPECT_EQ(all.NextVersion().version(), 1u);
  EXPECT_EQ(all.NextVersion().Without(~uint64_t{0} << 32).bits, all.bits);
  EXPECT_EQ(all.WithOwner(0).owner(), 0u);
  EXPECT_EQ(all.WithOwner(0).phase(), Phase::kPoisoned);
  EXPECT_TRUE(all.WithPhase(Phase::kFree).has(State::kDirty));
}

TEST(StateTest, VersionsGoRoundWithoutTouchingTheRest) {
  const State last{kValid.With(State::kHint).bits | ~uint64_t{0} << 32};
  EXPECT_EQ(last.NextVersion().version(), 0u);
  EXPECT_EQ(last.NextVersion().bits, kValid.With(State::kHint).bits);
}

TEST(StateTest, OnlyValidUntakenPageIsOpen) {
  EXPECT_TRUE(kValid.With(State::kDirty | State::kHint).is_open());
  EXPECT_FALSE(kValid.With(State::kX).is_open());
  EXPECT_FALSE(kValid.With(State::kXPending).is_open());
  for (const Phase phase : {Phase::kFree, Phase::kLoading, Phase::kEvicting,
                            Phase::kOrphan, Phase::kPoisoned}) {
    EXPECT_FALSE(In(phase).is_open());
  }
}

TEST(PageKeyTest, HoldsFileGenerationAndPage) {
  const PageKey file = PageKey::FileKey(kMaxFiles - 1, 0x1f);
  const PageKey key = PageKey::Make(file, (uint64_t{1} << 48) - 1);
  EXPECT_EQ(key.file_index(), kMaxFiles - 1);
  EXPECT_EQ(key.page(), (uint64_t{1} << 48) - 1);
  EXPECT_EQ(key.file_key(), file);
  EXPECT_NE(PageKey::FileKey(5, 1), PageKey::FileKey(5, 2));
  EXPECT_EQ(PageKey::FileKey(5, 2).file_index(), 5u);
}

TEST(ClassTest, EachPageSizeHasItsClass) {
  uint32_t index = 0;
  for (uint32_t bytes = kMinPageBytes; bytes <= kMaxPageBytes; bytes *= 2) {
    EXPECT_EQ(PageClass::OfSize(bytes), PageClass(index));
    EXPECT_EQ(PageClass(index++).bytes(), bytes);
  }
  EXPECT_EQ(index, kPageClasses);
  EXPECT_TRUE(PageClass().is_none());
  EXPECT_TRUE(PageClass::FromStored(kPageClasses).is_none());
}

TEST(TransitionTest, ListedTransitionPasses) {
  const State x = kValid.With(State::kX).WithOwner(kMe);
  const State pending = kValid.With(State::kXPending).WithOwner(kMe);
  for (const auto& [from, to] : std::initializer_list<std::pair<State, State>>{
           {In(Phase::kFree), Owned(Phase::kLoading)},
           {Owned(Phase::kLoading), kValid.With(State::kHint)},
           {Owned(Phase::kLoading), x},
           {Owned(Phase::kLoading), In(Phase::kFree)},
           {kValid.With(State::kHint), pending},
           {pending, x.With(State::kHint)},
           {pending, kValid.With(State::kHint)},
           {x, kValid.With(State::kDirty).NextVersion()},
           {kValid, Owned(Phase::kEvicting)},
           {Owned(Phase::kEvicting), In(Phase::kFree).NextVersion()},
           {kValid.With(State::kDirty), kValid.With(State::kWriting)},
           {x.With(State::kDirty), In(Phase::kPoisoned).NextVersion()},
           {x, Owned(Phase::kLoading)},
           {Owned(Phase::kLoading), In(Phase::kOrphan)},
           {In(Phase::kOrphan), In(Phase::kFree)},
           {In(Phase::kPoisoned), x.With(State::kDirty)}}) {
    CheckTransition(from, to);
    BufferHeader header{};
    header.state.store(from.bits);
    State expected = from;
    EXPECT_TRUE(header.Change(&expected, to));
    EXPECT_EQ(header.Load().bits, to.bits);
  }
}

TEST(TransitionTest, LateChangeReturnsCurrentState) {
  BufferHeader header{};
  header.state.store(kValid.bits);
  State expected = kValid.With(State::kHint);
  EXPECT_FALSE(header.Change(&expected, kValid.With(State::kDirty)));
  EXPECT_EQ(expected.bits, kValid.bits);
  EXPECT_EQ(header.Load().bits, kValid.bits);
}

class IllegalTransitionTest
    : public ::testing::TestWithParam<std::pair<State, State>> {};

TEST_P(IllegalTransitionTest, Aborts) {
  EXPECT_DEATH(CheckTransition(GetParam().first, GetParam().second),
               "illegal change of a frame word");
#ifndef NDEBUG
  BufferHeader header{};
  header.state.store(GetParam().first.bits);
  State expected = GetParam().first;
  EXPECT_DEATH(header.Change(&expected, GetParam().second),
               "illegal change of a frame word");
#endif
}

INSTANTIATE_TEST_SUITE_P(
    All, IllegalTransitionTest,
    ::testing::Values(
        // A frame is loaded before it is valid and evicted before it is free.
        std::pair(In(Phase::kFree), kValid),
        std::pair(kValid, In(Phase::kFree)),
        std::pair(In(Phase::kPoisoned), In(Phase::kFree)),
        std::pair(Owned(Phase::kEvicting), Owned(Phase::kLoading)),
        // A state has an owner exactly if it is owned.
        std::pair(In(Phase::kFree), In(Phase::kLoading)),
        std::pair(kValid, kValid.WithOwner(kMe)),
        std::pair(kValid, kValid.With(State::kX)),
        // X and XP exclude each other and occur only on valid pages.
        std::pair(kValid, kValid.With(State::kX | State::kXPending)
                              .WithOwner(kMe)),
        std::pair(In(Phase::kFree), Owned(Phase::kLoading).With(State::kX)),
        // A page with bytes that are not on disk stays in the hash.
        std::pair(kValid.With(State::kDirty),
                  Owned(Phase::kEvicting).With(State::kDirty)),
        std::pair(kValid.With(State::kWriting),
                  Owned(Phase::kLoading).With(State::kWriting)),
        // Versions rise by one.
        std::pair(kValid.NextVersion(), kValid),
        std::pair(kValid, kValid.NextVersion().NextVersion())));

}  // namespace
}  // namespace mpool::internal
