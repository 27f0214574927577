// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "mpool/page/images.h"

#include <array>
#include <cstddef>

#include "gtest/gtest.h"
#include "tests/support/test_pool.h"

namespace mpool::internal {
namespace {

constexpr uint64_t kAnnounced = uint64_t{1} << 32;
constexpr uint64_t kWhole = uint64_t{2} << 32;
constexpr uint64_t kInGroup = uint64_t{4} << 32;
constexpr FrameIndex kIndex(77);
constexpr uint64_t kFrame = kIndex.value();

TEST(ImagesTest, LegalWordsMayFollowEachOther) {
  CheckImageTransition(0, kFrame | kAnnounced);
  CheckImageTransition(kFrame | kAnnounced, kFrame | kWhole);
  CheckImageTransition(kFrame | kAnnounced, kFrame | kWhole | kInGroup);
  CheckImageTransition(kFrame | kWhole, kFrame | kWhole | kInGroup);
  CheckImageTransition(kFrame | kAnnounced, 0);
  CheckImageTransition(kFrame | kWhole | kInGroup, 0);
  CheckGroupTransition(GroupState::kNone, GroupState::kOpen);
  CheckGroupTransition(GroupState::kOpen, GroupState::kCommitted);
  CheckGroupTransition(GroupState::kOpen, GroupState::kNone);
  CheckGroupTransition(GroupState::kCommitted, GroupState::kNone);
}

#ifndef NDEBUG
TEST(ImagesDeathTest, ImageOfAnotherFrameIsNotKept) {
  constexpr char kIllegal[] = "illegal change of a image word";
  EXPECT_DEATH(CheckImageTransition(kFrame | kAnnounced, (kFrame + 1) | kWhole),
               kIllegal);
  EXPECT_DEATH(CheckImageTransition(0, kFrame | kWhole), kIllegal);
  EXPECT_DEATH(CheckImageTransition(kFrame | kWhole, kFrame | kAnnounced),
               kIllegal);
  region::Image image{};
  // Nothing was announced.
  EXPECT_DEATH(Images::Drop(image), kIllegal);
}

TEST(ImagesDeathTest, ImageIsNotKeptWithoutAnnouncement) {
  struct {
    region::Image image{};
    std::array<std::byte, 512> copy{};
  } room;
  room.image.room.store(512);
  BufferHeader header{};
  header.state.store(
      State{}.WithPhase(Phase::kValid).With(State::kX).WithOwner(3).bits);
  const std::array<std::byte, 512> page{};
  EXPECT_DEATH(Images::Keep(room.image, header, kIndex, page, false),
               "illegal change of a image word");
}

TEST(ImagesDeathTest, GroupWithoutPagesIsNotCommitted) {
  EXPECT_DEATH(
      CheckGroupTransition(GroupState::kNone, GroupState::kCommitted),
      "illegal change of a group word");
  EXPECT_DEATH(
      CheckGroupTransition(GroupState::kCommitted, GroupState::kOpen),
      "illegal change of a group word");
}
#endif

}  // namespace
}  // namespace mpool::internal
