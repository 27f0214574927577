// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "mpool/page/ledger.h"

#include <set>

#include "gmock/gmock.h"
#include "tests/support/test_pool.h"

namespace mpool::internal {
namespace {

constexpr FrameIndex kFrame(10);
constexpr FrameIndex kSecond(11);
constexpr FrameIndex kThird(12);

class LedgerTest : public ::testing::Test {
 protected:
  EntryWord* Hold(const region::Thread& thread, FrameIndex frame, Mode mode) {
    EntryWord* entry = *ledger_.FreeEntry(thread);
    Ledger::Publish(entry, frame, mode);
    return entry;
  }

  TestPool pool_{uint64_t{1} << 20};
  Ledger ledger_{pool_.region().memory(), pool_.region().members()};
};

TEST_F(LedgerTest, AnEntryHoldsFrameAndMode) {
  const Entry entry = Entry::Make(FrameIndex(0xfffffffe), Mode::kPin);
  EXPECT_EQ(entry.frame(), FrameIndex(0xfffffffe));
  EXPECT_EQ(entry.mode(), Mode::kPin);
  EXPECT_NE(Entry::Make(kFrame, Mode::kShared).word, 0u);
}

TEST_F(LedgerTest, EntryIsFreeOnlyWhileEmpty) {
  EntryWord* first = Hold(pool_.self(), kFrame, Mode::kShared);
  EXPECT_EQ(Ledger::UsedFreeEntry(*pool_.self().slot), nullptr);
  EntryWord* second = Hold(pool_.self(), kSecond, Mode::kShared);
  EXPECT_NE(first, second);
  EXPECT_EQ(Ledger::UsedFreeEntry(*pool_.self().slot), nullptr);
  first->store(0);
  EXPECT_EQ(Ledger::UsedFreeEntry(*pool_.self().slot), first);
  EXPECT_EQ(Hold(pool_.self(), kThird, Mode::kPin), first);
}

TEST_F(LedgerTest, OwnEntriesAndModesAreFound) {
  const region::Thread other = *pool_.region().members().RegisterThread();
  EntryWord* pin = Hold(other, kFrame, Mode::kPin);
  EXPECT_FALSE(ledger_.FindOwn(pool_.self(), kFrame).has_value());
  EXPECT_FALSE(ledger_.FindOther(kFrame, pin, std::nullopt).has_value());
  EXPECT_FALSE(ledger_.FindOther(kFrame, nullptr, Mode::kShared).has_value());
  const std::optional<Holder> found =
      ledger_.FindOther(kFrame, nullptr, std::nullopt);
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->entry, pin);
  EXPECT_EQ(found->thread, other.id);
  EXPECT_EQ(found->seen.mode(), Mode::kPin);
  EXPECT_EQ(ledger_.FindOwn(other, kFrame)->entry, pin);
}

TEST_F(LedgerTest, FullLedgerIsScannedToItsEnd) {
  std::set<EntryWord*> entries;
  while (entries.size() < kMaxPinsPerThread) {
    entries.insert(Hold(pool_.self(), kFrame, Mode::kShared));
    // Also fill all entries of the new block, except near the limit.
    pool_.region().members().ForEachEntry(
        *pool_.self().slot, [&](EntryWord& entry) {
          if (entries.size() + kLedgerOverflowEntries > kMaxPinsPerThread ||
              entry.load() != 0) {
            return;
          }
          Ledger::Publish(&entry, kFrame, Mode::kShared);
          entries.insert(&entry);
        });
  }
  EXPECT_EQ(entries.size(), kMaxPinsPerThread);
  const absl::Status full = ledger_.FreeEntry(pool_.self()).status();
  EXPECT_TRUE(absl::IsResourceExhausted(full)) << full;
  EXPECT_THAT(os::Message(full), ::testing::HasSubstr("65536 pages"));
  EntryWord* last = ledger_.FindOwn(pool_.self(), kFrame)->entry;
  Ledger::Publish(last, kSecond, Mode::kShared);
  EXPECT_EQ(ledger_.FindOther(kSecond, nullptr, std::nullopt)->entry, last);
  last->store(0);
  EXPECT_EQ(*ledger_.FreeEntry(pool_.self()), last);
  EXPECT_FALSE(pool_.region().members().IsLedgerEmpty(pool_.self()));
  for (EntryWord* entry : entries) entry->store(0);
  EXPECT_TRUE(pool_.region().members().IsLedgerEmpty(pool_.self()));
}

}  // namespace
}  // namespace mpool::internal
