// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "tools/verbs/verbs.h"

#include <set>
#include <string_view>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace mpool::tools {
namespace {

TEST(VerbsTest, EachVerbIsFoundByItsName) {
  std::set<std::string_view> names;
  for (const VerbSpec* const verb : AllVerbs()) {
    EXPECT_EQ(FindVerb(verb->name), verb);
    names.insert(verb->name);
  }
  EXPECT_EQ(names.size(), AllVerbs().size());
  EXPECT_THAT(names, testing::IsSupersetOf({"replay", "simulate", "stat",
                                            "holders", "resize", "remove"}));
}

TEST(VerbsTest, UnknownNameFindsNoVerb) {
  EXPECT_EQ(FindVerb("reply"), nullptr);
  EXPECT_EQ(FindVerb(""), nullptr);
}

TEST(VerbsTest, EverySpecificationIsComplete) {
  for (const VerbSpec* const verb : AllVerbs()) {
    SCOPED_TRACE(verb->name);
    EXPECT_NE(verb->run, nullptr);
    EXPECT_FALSE(verb->summary.empty());
    EXPECT_LE(verb->operands.least, verb->operands.most);
    EXPECT_FALSE(verb->operands.advice.empty());
    std::set<std::string_view> options;
    for (const OptionSpec& option : verb->options) {
      EXPECT_TRUE(options.insert(option.name).second) << option.name;
      EXPECT_TRUE(option.name.starts_with("--")) << option.name;
      EXPECT_FALSE(option.help.empty()) << option.name;
      EXPECT_EQ(std::holds_alternative<FlagType>(option.type),
                option.value_name.empty())
          << option.name;
    }
    EXPECT_EQ(options.count("--json"), 1u);
  }
}

}  // namespace
}  // namespace mpool::tools
