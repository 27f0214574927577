// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "tools/report/table.h"

#include <sstream>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tools/replay/progress.h"

namespace mpool::tools {
namespace {

Table SampleTable() {
  Table table;
  table.columns = {{"name"}, {"hits"}, {"percent"}, {"detail", true}, {"ok"}};
  table.rows = {{std::string("a"), uint64_t{5}, 12.345, std::string("x"), true},
                {std::string("long name"), uint64_t{12345678901234567890u}, 0.5,
                 std::string("y"), false}};
  return table;
}

std::string Printed(const Table& table, Format format, bool bold) {
  std::ostringstream out;
  Print(table, format, bold, out);
  return out.str();
}

TEST(TableTest, TextAlignsNumbersRightAndLeavesOutJsonOnlyColumns) {
  EXPECT_EQ(Printed(SampleTable(), Format::kText, false),
            "name                       hits  percent   ok\n"
            "a                             5    12.35  yes\n"
            "long name  12345678901234567890     0.50   no\n");
}

TEST(TableTest, HeadingIsBoldOnlyWhenAsked) {
  EXPECT_THAT(Printed(SampleTable(), Format::kText, true),
              testing::StartsWith("\033[1mname"));
}

TEST(TableTest, JsonHasEveryColumnWithItsType) {
  const auto json =
      nlohmann::json::parse(Printed(SampleTable(), Format::kJson, true));
  ASSERT_EQ(json.size(), 2u);
  EXPECT_EQ(json[0]["name"], "a");
  EXPECT_EQ(json[0]["percent"], 12.345);
  EXPECT_EQ(json[0]["detail"], "x");
  EXPECT_EQ(json[0]["ok"], true);
  EXPECT_EQ(json[1]["hits"].get<uint64_t>(), 12345678901234567890u);
}

TEST(TableTest, JsonKeepsTheOrderOfColumns) {
  const std::string text = Printed(SampleTable(), Format::kJson, false);
  EXPECT_LT(text.find("\"name\""), text.find("\"hits\""));
  EXPECT_LT(text.find("\"hits\""), text.find("\"detail\""));
}

TEST(TableTest, JsonOfATableWithoutRowsIsAnEmptyArray) {
  Table table;
  table.columns = {{"name"}};
  EXPECT_EQ(Printed(table, Format::kJson, false), "[]\n");
  EXPECT_EQ(Printed(table, Format::kText, false), "name\n");
}

TEST(TableTest, JsonStaysValidWithBytesThatAreNotUtf8) {
  Table table;
  table.columns = {{"name"}};
  table.rows = {{std::string("a\xff\"b")}};
  EXPECT_TRUE(nlohmann::json::accept(Printed(table, Format::kJson, false)));
}

TEST(ProgressTest, LineShowsHowFarItIs) {
  EXPECT_EQ(ProgressLine("t", 50, 100, false),
            "t  [###############---------------] 50 %");
  EXPECT_EQ(ProgressLine("t", 200, 100, false),
            "t  [##############################] 100 %");
  EXPECT_EQ(ProgressLine("t", 0, 0, false),
            "t  [------------------------------] 0 %");
}

TEST(ProgressTest, ColorIsUsedOnlyWhenAsked) {
  EXPECT_EQ(ProgressLine("t", 1, 2, false).find('\033'), std::string::npos);
  EXPECT_NE(ProgressLine("t", 1, 2, true).find('\033'), std::string::npos);
}

TEST(ProgressTest, NothingIsWrittenWithoutATerminal) {
  std::ostringstream out;
  {
    Progress progress(Terminal{}, out);
    progress.Show("t", 1, 2);
  }
  EXPECT_EQ(out.str(), "");
}

TEST(ProgressTest, LineIsTakenBackAtTheEnd) {
  std::ostringstream out;
  {
    Progress progress(Terminal{.show_progress = true}, out);
    progress.Show("t", 1, 2);
  }
  EXPECT_THAT(out.str(), testing::EndsWith("\r\033[K"));
}

}  // namespace
}  // namespace mpool::tools
