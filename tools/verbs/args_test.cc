// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "tools/verbs/args.h"

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace mpool::tools {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr std::array<std::string_view, 2> kPolicies = {"lru", "clock"};

constexpr OptionSpec MakeOption(std::string_view name, OptionType type,
                                std::string_view fallback) {
  return {.name = name,
          .type = type,
          .value_name = "V",
          .fallback = fallback,
          .help = "help"};
}

constexpr std::array<OptionSpec, 9> kOptions = {{
    MakeOption("--size", NumberType{1, 100}, "7"),
    MakeOption("--sizes", NumberType{1, 1000, Arity::kList}, ""),
    MakeOption("--power", PowerOfTwoType{8, 64}, "16"),
    MakeOption("--share", PercentType{0.1}, "7"),
    MakeOption("--shares", PercentType{0.1, Arity::kList}, "1,2.5"),
    MakeOption("--policy", NameType{"policy", kPolicies}, "clock"),
    MakeOption("--policies", NameType{"policy", kPolicies, Arity::kList}, ""),
    MakeOption("--text", TextType{}, ""),
    MakeOption("--json", FlagType{}, ""),
}};
constexpr VerbSpec kVerb = {.name = "verb",
                            .operands = {"A...", 0, 3, "give three"},
                            .summary = "",
                            .help = "",
                            .options = kOptions,
                            .run = nullptr};

absl::StatusOr<Args> Parse(const std::vector<std::string>& words) {
  return Args::Parse(kVerb, words);
}

std::string ErrorOf(const std::vector<std::string>& words) {
  const absl::Status status = Parse(words).status();
  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
  return std::string(status.message());
}

TEST(ArgsTest, OptionsAndOperandsMayMix) {
  const absl::StatusOr<Args> args =
      Parse({"a", "--size", "5", "b", "--json", "--policy=lru", "c"});
  ASSERT_TRUE(args.ok()) << args.status();
  EXPECT_THAT(args->operands(), ElementsAre("a", "b", "c"));
  EXPECT_EQ(args->Number("--size"), 5u);
  EXPECT_EQ(args->Name("--policy"), "lru");
  EXPECT_TRUE(args->Has("--json"));
  EXPECT_FALSE(args->Has("--text"));
}

TEST(ArgsTest, AbsentOptionsHaveTheirDefaults) {
  const absl::StatusOr<Args> args = Parse({});
  ASSERT_TRUE(args.ok()) << args.status();
  EXPECT_EQ(args->Number("--size"), 7u);
  EXPECT_EQ(args->Number("--power"), 16u);
  EXPECT_DOUBLE_EQ(args->Percent("--share"), 7);
  EXPECT_THAT(args->Percents("--shares"), ElementsAre(1, 2.5));
  EXPECT_EQ(args->Name("--policy"), "clock");
  EXPECT_THAT(args->Numbers("--sizes"), IsEmpty());
  EXPECT_THAT(args->Names("--policies"), IsEmpty());
  EXPECT_EQ(args->Text("--text"), "");
  EXPECT_FALSE(args->Has("--size"));
}

TEST(ArgsTest, TwoDashesEndTheOptions) {
  const absl::StatusOr<Args> args = Parse({"--", "--json", "--"});
  ASSERT_TRUE(args.ok()) << args.status();
  EXPECT_THAT(args->operands(), ElementsAre("--json", "--"));
}

TEST(ArgsTest, UnknownOptionListsTheKnownOnes) {
  const std::string message = ErrorOf({"--sise", "5"});
  EXPECT_THAT(message, HasSubstr("verb: --sise: unknown option"));
  EXPECT_THAT(message, HasSubstr("--size, --sizes"));
}

TEST(ArgsTest, OptionWithoutItsValueIsAnError) {
  EXPECT_THAT(ErrorOf({"--size"}), HasSubstr("--size: needs a value"));
}

TEST(ArgsTest, FlagWithAValueIsAnError) {
  EXPECT_THAT(ErrorOf({"--json=1"}), HasSubstr("takes no value"));
}

TEST(ArgsTest, OptionGivenTwiceIsAnError) {
  EXPECT_THAT(ErrorOf({"--size", "1", "--size=2"}), HasSubstr("given twice"));
}

TEST(ArgsTest, WrongNumberOfOperandsIsAnError) {
  EXPECT_EQ(ErrorOf({"a", "b", "c", "d"}), "verb: give three");
}

TEST(ArgsTest, NumberOutsideItsRangeIsAnError) {
  for (const char* bad :
       {"", "x", "5x", "-1", "0", "101", "1.5", " 5", "99999999999999999999"}) {
    EXPECT_THAT(ErrorOf({"--size", bad}),
                HasSubstr("is not a number from 1 to 100"))
        << bad;
  }
  EXPECT_EQ(Parse({"--size", "100"})->Number("--size"), 100u);
}

TEST(ArgsTest, NumberThatIsNoPowerIsAnError) {
  for (const char* bad : {"", "4", "12", "128", "x"}) {
    EXPECT_THAT(ErrorOf({"--power", bad}),
                HasSubstr("is not a power of two from 8 to 64"))
        << bad;
  }
  EXPECT_EQ(Parse({"--power", "64"})->Number("--power"), 64u);
}

TEST(ArgsTest, PercentOutsideItsRangeIsAnError) {
  for (const char* bad : {"", "x", "nan", "101", "0", "1e1", "-5", "5%"}) {
    EXPECT_THAT(ErrorOf({"--share", bad}), HasSubstr("is not a percentage"))
        << bad;
  }
  EXPECT_DOUBLE_EQ(Parse({"--share", "2.5"})->Percent("--share"), 2.5);
}

TEST(ArgsTest, CommasSeparateTheEntriesOfLists) {
  EXPECT_THAT(Parse({"--sizes", "64,16,1000"})->Numbers("--sizes"),
              ElementsAre(64, 16, 1000));
  for (const char* bad : {"", "1,", ",1", "1,,2", "1;2"}) {
    EXPECT_FALSE(Parse({"--sizes", bad}).ok()) << bad;
  }
}

TEST(ArgsTest, UnknownNameListsTheKnownOnes) {
  EXPECT_THAT(Parse({"--policies", "clock,lru"})->Names("--policies"),
              ElementsAre("clock", "lru"));
  EXPECT_THAT(ErrorOf({"--policies", "clock,mru"}),
              HasSubstr("unknown policy \"mru\"; known are lru, clock"));
}

TEST(ArgsTest, ListForASingleNameIsAnError) {
  EXPECT_THAT(ErrorOf({"--policy", "clock,lru"}),
              HasSubstr("unknown policy \"clock,lru\""));
}

TEST(ArgsDeathTest, OptionOutsideTheSpecificationAborts) {
  const absl::StatusOr<Args> args = Parse({});
  EXPECT_DEATH(args->Has("--none"), "");
  EXPECT_DEATH(args->Names("--size"), "");
}

}  // namespace
}  // namespace mpool::tools
