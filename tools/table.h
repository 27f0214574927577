// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// table.h - rows, which every verb returns, and the one printer for them.

#ifndef MPOOL_TOOLS_TABLE_H_
#define MPOOL_TOOLS_TABLE_H_

#include <cstdint>
#include <ostream>
#include <string>
#include <variant>
#include <vector>

namespace mpool::tools {

using Value = std::variant<std::string, uint64_t, double, bool>;

struct Column {
  std::string key;         // the JSON key and the heading
  bool json_only = false;  // too much for a line of text
  int text_decimals = 2;   // of a double; JSON has all of them
};

struct Table {
  std::vector<Column> columns;
  std::vector<std::vector<Value>> rows;  // one value per column
};

enum class Format { kText, kJson };

// Text: a heading and a line per row, numbers aligned right. JSON: an array of
// objects in the order of the columns.
void Print(const Table& table, Format format, bool bold_heading,
           std::ostream& out);

// A value as the text table shows it.
std::string ToText(const Value& value, int decimals);

}  // namespace mpool::tools

#endif  // MPOOL_TOOLS_TABLE_H_
