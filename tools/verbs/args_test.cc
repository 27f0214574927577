// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "tools/verbs/args.h"

#include <array>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tools/trace/cache_sizes.h"

namespace mpool::tools {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr std::array<OptionSpec, 5> kOptions = {{{"--size", true},
                                                 {"--policy", true},
                                                 {"--cache-frames", true},
                                                 {"--cache-percent", true},
                                                 {"--json"}}};
constexpr std::array<std::string_view, 2> kPolicies = {"lru", "clock"};

absl::StatusOr<Args> Parse(const std::vector<std::string>& words) {
  return Args::Parse("verb", words, kOptions);
}

template <class T>
std::string MessageOf(const absl::StatusOr<T>& result) {
  EXPECT_TRUE(absl::IsInvalidArgument(result.status())) << result.status();
  return std::string(result.status().message());
}

TEST(ArgsTest, OptionsAndPositionalsMayMix) {
  const absl::StatusOr<Args> args =
      Parse({"a", "--size", "5", "b", "--json", "--policy=lru", "c"});
  ASSERT_TRUE(args.ok()) << args.status();
  EXPECT_THAT(args->positional(), ElementsAre("a", "b", "c"));
  EXPECT_EQ(args->Text("--size"), "5");
  EXPECT_EQ(args->Text("--policy"), "lru");
  EXPECT_TRUE(args->Has("--json"));
  EXPECT_FALSE(args->Has("--cache-frames"));
}

TEST(ArgsTest, TwoDashesEndTheOptions) {
  const absl::StatusOr<Args> args = Parse({"--", "--json", "--"});
  ASSERT_TRUE(args.ok()) << args.status();
  EXPECT_THAT(args->positional(), ElementsAre("--json", "--"));
}

TEST(ArgsTest, UnknownOptionIsNamedBesideTheKnownOnes) {
  const std::string message = MessageOf(Parse({"--sise", "5"}));
  EXPECT_THAT(message, HasSubstr("verb: --sise: unknown option"));
  EXPECT_THAT(message, HasSubstr("--size, --policy"));
}

TEST(ArgsTest, OptionWithoutItsValueIsAnError) {
  EXPECT_THAT(MessageOf(Parse({"--size"})), HasSubstr("--size: needs a value"));
}

TEST(ArgsTest, FlagWithAValueIsAnError) {
  EXPECT_THAT(MessageOf(Parse({"--json=1"})), HasSubstr("takes no value"));
}

TEST(ArgsTest, OptionGivenTwiceIsAnError) {
  EXPECT_THAT(MessageOf(Parse({"--size", "1", "--size=2"})),
              HasSubstr("given twice"));
}

TEST(ArgsTest, NumbersAreCheckedAgainstTheirRange) {
  for (const char* bad :
       {"", "x", "5x", "-1", "0", "101", "1.5", " 5", "99999999999999999999"}) {
    const absl::StatusOr<Args> args = Parse({"--size", bad});
    ASSERT_TRUE(args.ok());
    EXPECT_THAT(MessageOf(args->Number("--size", 7, 1, 100)),
                HasSubstr("is not a number from 1 to 100"))
        << bad;
  }
  EXPECT_EQ(*Parse({"--size", "100"})->Number("--size", 7, 1, 100), 100u);
  EXPECT_EQ(*Parse({})->Number("--size", 7, 1, 100), 7u);
}

TEST(ArgsTest, PercentsAreFractionsUpToAHundred) {
  for (const char* bad : {"", "x", "nan", "101", "0", "1e1", "-5", "5%"}) {
    EXPECT_THAT(MessageOf(Parse({"--size", bad})->Percent("--size", 7, 0.1)),
                HasSubstr("is not a percentage"))
        << bad;
  }
  EXPECT_DOUBLE_EQ(*Parse({"--size", "2.5"})->Percent("--size", 7, 0.1), 2.5);
  EXPECT_DOUBLE_EQ(*Parse({})->Percent("--size", 7, 0.1), 7);
}

TEST(ArgsTest, ListsAreSeparatedByCommas) {
  EXPECT_THAT(*Parse({"--size", "64,16,1000"})->Numbers("--size", 1, 1000),
              ElementsAre(64, 16, 1000));
  EXPECT_THAT(*Parse({})->Numbers("--size", 1, 1000), IsEmpty());
  for (const char* bad : {"", "1,", ",1", "1,,2", "1;2"}) {
    EXPECT_FALSE(Parse({"--size", bad})->Numbers("--size", 1, 1000).ok())
        << bad;
  }
}

TEST(ArgsTest, UnknownWordIsNamedBesideTheKnownOnes) {
  EXPECT_THAT(
      *Parse({"--policy", "clock,lru"})->Words("--policy", "policy", kPolicies),
      ElementsAre("clock", "lru"));
  EXPECT_THAT(MessageOf(Parse({"--policy", "clock,mru"})
                            ->Words("--policy", "policy", kPolicies)),
              HasSubstr("unknown policy \"mru\"; known are lru, clock"));
  EXPECT_THAT(MessageOf(Parse({"--policy", "clock,lru"})
                            ->Word("--policy", "policy", "lru", kPolicies)),
              HasSubstr("takes one policy"));
}

TEST(CacheSizesTest, PercentIsRoundedAndAtLeast64) {
  EXPECT_EQ(FramesForPercent(10, 21168), 2117u);
  EXPECT_EQ(FramesForPercent(5, 9939), 497u);
  EXPECT_EQ(FramesForPercent(25, 2529), 632u);
  EXPECT_EQ(FramesForPercent(1, 2529), 64u);
  EXPECT_EQ(FramesForPercent(1, 6400), 64u);
  EXPECT_EQ(FramesForPercent(1, 6450), 65u);
  EXPECT_EQ(FramesForPercent(100, 5), 64u);
}

TEST(CacheSizesTest, DefaultIsFourPercentages) {
  const absl::StatusOr<CacheSizes> sizes = ParseCacheSizes(*Parse({}), 1);
  ASSERT_TRUE(sizes.ok());
  EXPECT_THAT(sizes->FramesFor(10000), ElementsAre(100, 500, 1000, 2500));
}

TEST(CacheSizesTest, FramesAreTakenAsTheyAre) {
  const absl::StatusOr<CacheSizes> sizes =
      ParseCacheSizes(*Parse({"--cache-frames", "16,99"}), 16);
  ASSERT_TRUE(sizes.ok());
  EXPECT_THAT(sizes->FramesFor(10000), ElementsAre(16, 99));
}

TEST(CacheSizesTest, FramesBelowTheLeastAreRefused) {
  EXPECT_FALSE(ParseCacheSizes(*Parse({"--cache-frames", "15"}), 16).ok());
}

TEST(CacheSizesTest, FramesAndPercentsExcludeEachOther) {
  EXPECT_THAT(
      MessageOf(ParseCacheSizes(
          *Parse({"--cache-frames", "64", "--cache-percent", "5"}), 16)),
      HasSubstr("exclude each other"));
}

}  // namespace
}  // namespace mpool::tools
