// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "tools/verbs/help.h"

#include <array>
#include <string>

#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tools/verbs/verbs.h"

namespace mpool::tools {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

constexpr std::array<std::string_view, 2> kColors = {"red", "blue"};
constexpr std::array<OptionSpec, 3> kOptions = {{
    {.name = "--color",
     .type = NameType{"color", kColors},
     .value_name = "C",
     .fallback = "blue",
     .help = "paint"},
    {.name = "--name-of-many-columns",
     .type = TextType{},
     .value_name = "TEXT",
     .fallback = "",
     .help = "twelve words that do not fit on one line of the help of a verb"},
    {.name = "--json",
     .type = FlagType{},
     .value_name = "",
     .fallback = "",
     .help = "rows"},
}};
constexpr VerbSpec kVerb = {.name = "paint",
                            .operands = {"WALL", 1, 1, "give a wall"},
                            .summary = "Paints a wall.",
                            .help = "  With a brush.\n",
                            .options = kOptions,
                            .run = nullptr};

TEST(HelpTest, OptionsShowValuesAndDefaults) {
  EXPECT_EQ(DescribeVerb(kVerb),
            "mpool paint WALL [options]\n"
            "  Paints a wall.\n\n"
            "  With a brush.\n\n"
            "  --color C                paint: red, blue (blue)\n"
            "  --name-of-many-columns TEXT twelve words that do not fit on one "
            "line of the\n"
            "                           help of a verb\n"
            "  --json                   rows\n");
}

TEST(HelpTest, OverviewHasEveryVerb) {
  const std::string text = DescribeVerbs(AllVerbs());
  EXPECT_THAT(text, StartsWith("mpool "));
  for (const VerbSpec* const verb : AllVerbs()) {
    EXPECT_THAT(text, HasSubstr("mpool " + std::string(verb->name) + " "));
    EXPECT_THAT(text, HasSubstr(std::string(verb->summary)));
  }
}

TEST(HelpTest, LinesFitATerminal) {
  std::string text = DescribeVerbs(AllVerbs());
  for (const VerbSpec* const verb : AllVerbs()) text += DescribeVerb(*verb);
  for (const auto& line : absl::StrSplit(text, '\n')) {
    EXPECT_LE(line.size(), 80u) << line;
  }
}

}  // namespace
}  // namespace mpool::tools
