// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "tools/verbs/common_options.h"

#include <array>
#include <sstream>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace mpool::tools {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr std::array<OptionSpec, 4> kOptions = {
    {CacheFramesOption(16, "frames"), kCachePercentOption, kJsonOption,
     kNoProgressOption}};
constexpr VerbSpec kVerb = {.name = "verb",
                            .operands = {},
                            .summary = "",
                            .help = "",
                            .options = kOptions,
                            .run = nullptr};

absl::StatusOr<Args> Parse(const std::vector<std::string>& words) {
  return Args::Parse(kVerb, words);
}

TEST(CommonOptionsTest, DefaultIsFourPercentages) {
  const absl::StatusOr<CacheSizes> sizes = ParseCacheSizes(*Parse({}));
  ASSERT_TRUE(sizes.ok());
  EXPECT_THAT(sizes->FramesFor(10000), ElementsAre(100, 500, 1000, 2500));
}

TEST(CommonOptionsTest, GivenFramesReplaceTheDefault) {
  const absl::StatusOr<CacheSizes> sizes =
      ParseCacheSizes(*Parse({"--cache-frames", "16,99"}));
  ASSERT_TRUE(sizes.ok());
  EXPECT_THAT(sizes->FramesFor(10000), ElementsAre(16, 99));
}

TEST(CommonOptionsTest, TooFewFramesAreRefused) {
  EXPECT_TRUE(
      absl::IsInvalidArgument(Parse({"--cache-frames", "15"}).status()));
}

TEST(CommonOptionsTest, FramesAndPercentsExcludeEachOther) {
  const absl::Status status =
      ParseCacheSizes(*Parse({"--cache-frames", "64", "--cache-percent", "5"}))
          .status();
  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("exclude each other"));
}

TEST(CommonOptionsTest, JsonOptionSelectsJson) {
  EXPECT_EQ(FormatOf(*Parse({})), Format::kText);
  EXPECT_EQ(FormatOf(*Parse({"--json"})), Format::kJson);
}

TEST(CommonOptionsTest, NoProgressOptionHidesProgress) {
  std::ostringstream err;
  const VerbContext context = {{.show_progress = true, .color = true}, err};
  EXPECT_TRUE(ProgressTerminal(*Parse({}), context).show_progress);
  const Terminal quiet = ProgressTerminal(*Parse({"--no-progress"}), context);
  EXPECT_FALSE(quiet.show_progress);
  EXPECT_TRUE(quiet.color);
}

}  // namespace
}  // namespace mpool::tools
