// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "mpool/files/file_entry.h"

#include <initializer_list>
#include <memory>
#include <utility>

#include "gtest/gtest.h"
#include "mpool/files/page_format.h"

namespace mpool::internal {
namespace {

constexpr uint32_t kMe = 7;
const FileWord kFree{.generation = 3};
const FileWord kClaimed{.generation = 4,
                        .owner = kMe,
                        .state = FileState::kClaimed};
const FileWord kOpen{.generation = 4, .state = FileState::kOpen};
const FileWord kClosed{.generation = 4, .state = FileState::kClosed};

TEST(FileWordTest, FieldsDoNotTouchOneAnother) {
  const FileWord all{.generation = ~uint32_t{0},
                     .owner = kMaxProcesses,
                     .state = FileState::kClaimed};
  const FileWord read = FileWord::Unpack(all.Pack());
  EXPECT_EQ(read.generation, ~uint32_t{0});
  EXPECT_EQ(read.owner, uint32_t{kMaxProcesses});
  EXPECT_EQ(read.state, FileState::kClaimed);
  EXPECT_EQ(FileWord{}.Pack(), 0u);
}

TEST(FileWordTest, LegalTransitionsPass) {
  const FileWord free{.generation = 4};
  const FileWord renewed{.generation = 5, .state = FileState::kClosed};
  for (const auto& [from, to] :
       std::initializer_list<std::pair<FileWord, FileWord>>{
           {kFree, kClaimed},
           {kClaimed, kOpen},
           {kClaimed, free},
           {kOpen, kOpen},
           {kOpen, kClosed},
           {kOpen, free},
           {kClosed, kOpen},
           {kClosed, free},
           {kClosed, renewed},
           {free, kOpen}}) {
    CheckTransition(from, to);
  }
}

#ifndef NDEBUG
TEST(FileWordDeathTest, IllegalTransitionsAbort) {
  const FileWord half{.generation = 4, .state = FileState::kClaimed};
  const FileWord owned{.generation = 4,
                       .owner = kMe,
                       .state = FileState::kOpen};
  const FileWord renewed{.generation = 5, .state = FileState::kOpen};
  const FileWord fallen{.generation = 3, .state = FileState::kClosed};
  for (const auto& [from, to] :
       std::initializer_list<std::pair<FileWord, FileWord>>{
           {kFree, half},           // claimed by no process
           {kFree, kClosed},        // closed, but was never open
           {kOpen, kClaimed},       // claimed while a process has it open
           {kClaimed, owned},       // open with an owner
           {kClaimed, renewed},     // two claims in one
           {kOpen, fallen},         // an older generation
           {kClosed, renewed}}) {   // renewed and opened in one store
    EXPECT_DEATH(CheckTransition(from, to), "file");
  }
}

TEST(FileEntryDeathTest, ABitOfNoProcessAborts) {
  const auto entry = std::make_unique<FileEntry>();
  EXPECT_DEATH(IsOpenElsewhere(*entry, 0), "process");
  EXPECT_DEATH(IsOpenElsewhere(*entry, kMaxProcesses + 1), "process");
}
#endif

TEST(FileEntryTest, OwnBitDoesNotCountAsElsewhere) {
  const auto entry = std::make_unique<FileEntry>();
  EXPECT_FALSE(IsOpenAnywhere(*entry));
  entry->open_bits[1].store(1);  // process 65
  EXPECT_TRUE(IsOpenAnywhere(*entry));
  EXPECT_FALSE(IsOpenElsewhere(*entry, 65));
  EXPECT_TRUE(IsOpenElsewhere(*entry, 1));
  EXPECT_TRUE(IsOpenElsewhere(*entry, 66));
}

TEST(FileEntryTest, RaiseToNeverLowers) {
  std::atomic<uint64_t> word{5};
  RaiseTo(&word, 4);
  EXPECT_EQ(word.load(), 5u);
  RaiseTo(&word, 9);
  EXPECT_EQ(word.load(), 9u);
}

TEST(PageFormatTest, PartialPageIsNoPage) {
  EXPECT_EQ(OffsetOf(3, 512), 1536u);
  EXPECT_EQ(PagesIn(1537, 512), 3u);
  EXPECT_EQ(PartialBytes(1537, 512), 1u);
  EXPECT_EQ(WholeBytes(1537, 512), 1536u);
  EXPECT_EQ(LsnPlaceOf(-1), 0u);
  EXPECT_EQ(LsnOffsetOf(LsnPlaceOf(8)), 8);
}

}  // namespace
}  // namespace mpool::internal
