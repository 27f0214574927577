// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "os/quote.h"

#include <string>
#include <string_view>

#include "gtest/gtest.h"

namespace mpool::os {
namespace {

using namespace std::string_view_literals;

TEST(QuoteTest, ControlCharactersAreEscaped) {
  EXPECT_EQ(Quoted("a\x1b]0;t\x07\n\r\tb\x7f\0c"sv),
            R"(a\x1b]0;t\x07\n\r\tb\x7f\x00c)");
  EXPECT_EQ(Quoted("\xc2\x9b"
                   "2J"),
            R"(\xc2\x9b2J)");
}

TEST(QuoteTest, DirectionMarksAndSeparatorsAreEscaped) {
  EXPECT_EQ(Quoted("a\xe2\x80\xae"
                   "b"),
            R"(a\xe2\x80\xaeb)");
  EXPECT_EQ(Quoted("\xe2\x80\xa8"), R"(\xe2\x80\xa8)");
}

TEST(QuoteTest, PlainTextStays) {
  for (const std::string_view text :
       {"", "/var/lib/a b\\n'\"", "gr\xc3\xbc\xc3\x9f",
        "\xe2\x82\xac", "\xf0\x9f\x98\x80"}) {
    EXPECT_EQ(Quoted(text), text);
  }
}

TEST(QuoteTest, InvalidUtf8IsEscaped) {
  EXPECT_EQ(Quoted("a\xff"), R"(a\xff)");
  EXPECT_EQ(Quoted("\xc3"), R"(\xc3)");
  EXPECT_EQ(Quoted("\xc3z"), R"(\xc3z)");
  EXPECT_EQ(Quoted("\xe0\x80\x80"), R"(\xe0\x80\x80)");
  EXPECT_EQ(Quoted("\xed\xa0\x80"), R"(\xed\xa0\x80)");
  EXPECT_EQ(Quoted("\xf4\x90\x80\x80"), R"(\xf4\x90\x80\x80)");
}

TEST(QuoteTest, SecondCallChangesNothing) {
  const std::string once = Quoted("a\x1b[2J\n\xff\\");
  EXPECT_EQ(Quoted(once), once);
}

}  // namespace
}  // namespace mpool::os
