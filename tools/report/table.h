// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// table.h - the rows that every verb returns, and their printer.

#ifndef MPOOL_TOOLS_REPORT_TABLE_H_
#define MPOOL_TOOLS_REPORT_TABLE_H_

#include <cstdint>
#include <ostream>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace mpool::tools {

using Value = std::variant<std::string, uint64_t, double, bool>;

struct Column {
  std::string key;         // the JSON key and the heading
  bool json_only = false;  // not printed as text
  int text_decimals = 2;   // decimals of a double in text; JSON has all
};

struct Table {
  std::vector<Column> columns;
  std::vector<std::vector<Value>> rows;  // one value per column
  // If it is not empty, JSON is one object of these members and "rows".
  std::vector<std::pair<std::string, Value>> head = {};
};

enum class Format { kText, kJson };

// Prints the table. Text has a heading and a line per row, with numbers aligned
// right. JSON is an array of objects in the order of the columns, or an object
// that contains this array.
void Print(const Table& table, Format format, bool bold_heading,
           std::ostream& out);

// Returns a value as the text table shows it. Control characters are escaped
// (os/quote.h), because other users choose the names of files and processes.
std::string ToText(const Value& value, int decimals);

}  // namespace mpool::tools

#endif  // MPOOL_TOOLS_REPORT_TABLE_H_
