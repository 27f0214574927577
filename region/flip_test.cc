// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// flip_test.cc - flips every single bit of the descriptor and of the region's
// fixed header and expects that each flip is detected.

#include <fstream>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"
#include "tests/support/system.h"
#include "tests/support/temp_home.h"
#include "tests/support/test_region.h"

namespace mpool::region {
namespace {

using test::IsOk;
using test::TempHome;

// Flips each bit of `bytes` in turn, calls `look` and flips the bit back.
template <class F>
void ForEachFlip(std::span<std::byte> bytes, F&& look) {
  for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    const std::byte mask{static_cast<uint8_t>(1u << bit % 8)};
    bytes[bit / 8] ^= mask;
    look(bit);
    bytes[bit / 8] ^= mask;
    if (::testing::Test::HasFailure()) return;
  }
}

class FlipTest : public os::SyscallTest {
 protected:
  // Writes a descriptor in which the other copy is zero.
  void WriteDescriptor(const FixedHeader& copy, bool first) {
    FixedHeader copies[2] = {};
    copies[first ? 0 : 1] = copy;
    std::ofstream out(home_.Below(kDescriptorName), std::ios::binary);
    out.write(reinterpret_cast<const char*>(copies), sizeof(copies));
  }
  std::optional<FixedHeader> Read() {
    return *ReadDescriptor(*os::File::OpenDirectory(home_.path()));
  }

  TempHome home_;
};

TEST_F(FlipTest, DescriptorFlipIsNoticed) {
  ASSERT_THAT((*Attachment::Open(home_.path()))->Leave(), IsOk());
  FixedHeader copy = *Read();
  for (const bool first : {true, false}) {
    WriteDescriptor(copy, first);
    ASSERT_TRUE(Read().has_value());
    ForEachFlip(std::as_writable_bytes(std::span(&copy, 1)), [&](size_t bit) {
      WriteDescriptor(copy, first);
      EXPECT_FALSE(Read().has_value()) << "bit " << bit;
    });
  }
}

TEST_F(FlipTest, HeaderFlipIsRefusedWhileInUse) {
  auto here = *Attachment::Open(home_.path());
  RegionHeader& header = *here->region().memory().header();
  for (const int left : {0, 1}) {
    const FixedHeader other = header.fixed[1 - left];
    header.fixed[1 - left] = FixedHeader{};
    ForEachFlip(
        std::as_writable_bytes(std::span(&header.fixed[left], 1)),
        [&](size_t bit) {
          EXPECT_THAT(Attachment::Open(home_.path()),
                      test::Fails(absl::StatusCode::kFailedPrecondition,
                                  "join region of", "header is damaged"))
              << "copy " << left << ", bit " << bit;
        });
    header.fixed[1 - left] = other;
  }
  EXPECT_THAT(Attachment::Open(home_.path()), IsOk());
}

TEST_F(FlipTest, MagicWordFlipIsRefused) {
  auto here = *Attachment::Open(home_.path());
  ASSERT_THAT(here->Leave(), IsOk());
  RegionHeader& header = *here->region().memory().header();
  const auto magic = header.magic.load();
  for (int bit = 0; bit < 8 * static_cast<int>(sizeof(magic)); ++bit) {
    header.magic.store(magic ^ decltype(magic){1} << bit);
    EXPECT_THAT(InspectRegion(*os::File::OpenDirectory(home_.path()),
                              kTestSignature),
                test::Fails(absl::StatusCode::kDataLoss, "header is damaged"))
        << "bit " << bit;
    EXPECT_THAT(Attachment::Open(home_.path()),
                test::Fails(absl::StatusCode::kDataLoss, "header is damaged",
                            "mpool remove --force"))
        << "bit " << bit;
  }
}

}  // namespace
}  // namespace mpool::region
