// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "os/crc32.h"

#include <string_view>

#include "gtest/gtest.h"

namespace mpool::os {
namespace {

std::span<const std::byte> Bytes(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

TEST(Crc32Test, GivesTheCheckValueOfTheStandard) {
  EXPECT_EQ(Crc32(Bytes("123456789")), 0xCBF43926u);
}

TEST(Crc32Test, GoesOnFromASeed) {
  EXPECT_EQ(Crc32(Bytes("6789"), Crc32(Bytes("12345"))), 0xCBF43926u);
  EXPECT_EQ(Crc32({}, 77), 77u);
}

}  // namespace
}  // namespace mpool::os
