// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "tools/report/table.h"

#include <sstream>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

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

TEST(TableTest, TextOmitsJsonColumnsAndAlignsNumbers) {
  EXPECT_EQ(Printed(SampleTable(), Format::kText, false),
            "name                       hits  percent   ok\n"
            "a                             5    12.35  yes\n"
            "long name  12345678901234567890     0.50   no\n");
}

TEST(TableTest, HeadingIsBoldOnlyOnRequest) {
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

TEST(TableTest, TableWithoutRowsIsAnEmptyArray) {
  Table table;
  table.columns = {{"name"}};
  EXPECT_EQ(Printed(table, Format::kJson, false), "[]\n");
  EXPECT_EQ(Printed(table, Format::kText, false), "name\n");
}

TEST(TableTest, TextEscapesControlCharacters) {
  Table table;
  table.columns = {{"name"}, {"next"}};
  table.rows = {{std::string("a\x1b[2J\nb"), std::string("gr\xc3\xbc")}};
  EXPECT_EQ(Printed(table, Format::kText, false),
            "name         next\n"
            "a\\x1b[2J\\nb  gr\xc3\xbc\n");
}

TEST(TableTest, InvalidUtf8StaysValidJson) {
  Table table;
  table.columns = {{"name"}};
  table.rows = {{std::string("a\xff\"b")}};
  EXPECT_TRUE(nlohmann::json::accept(Printed(table, Format::kJson, false)));
}

}  // namespace
}  // namespace mpool::tools
