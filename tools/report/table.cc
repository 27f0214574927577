// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "tools/report/table.h"

#include <algorithm>
#include <cstddef>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "nlohmann/json.hpp"
#include "os/quote.h"

namespace mpool::tools {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kJsonIndent = 2;

void PrintJson(const Table& table, std::ostream& out) {
  Json array = Json::array();
  for (const std::vector<Value>& row : table.rows) {
    Json object = Json::object();
    for (size_t i = 0; i < table.columns.size(); ++i) {
      std::visit([&](const auto& v) { object[table.columns[i].key] = v; },
                 row[i]);
    }
    array.push_back(std::move(object));
  }
  Json whole = Json::object();
  for (const auto& [key, value] : table.head) {
    std::visit([&, name = key](const auto& v) { whole[name] = v; }, value);
  }
  if (!table.head.empty()) whole["rows"] = array;
  // A file name need not be UTF-8; JSON must be.
  const Json& printed = table.head.empty() ? array : whole;
  out << printed.dump(kJsonIndent, ' ', false, Json::error_handler_t::replace)
      << "\n";
}

std::string Padded(const std::string& text, size_t width, bool right) {
  const std::string padding(width - std::min(width, text.size()), ' ');
  return right ? padding + text : text + padding;
}

void TrimRight(std::string& line) {
  line.erase(line.find_last_not_of(' ') + 1);
}

// True if the column holds numbers, judged by the first row.
bool IsNumeric(const Table& table, size_t column) {
  return !table.rows.empty() &&
         !std::holds_alternative<std::string>(table.rows.front()[column]);
}

void PrintText(const Table& table, bool bold_heading, std::ostream& out) {
  std::vector<std::string> lines(table.rows.size() + 1);
  bool first_column = true;
  for (size_t i = 0; i < table.columns.size(); ++i) {
    const Column& column = table.columns[i];
    if (column.json_only) continue;
    std::vector<std::string> cells = {column.key};
    for (const std::vector<Value>& row : table.rows) {
      cells.push_back(ToText(row[i], column.text_decimals));
    }
    size_t width = 0;
    for (const std::string& cell : cells) width = std::max(width, cell.size());
    for (size_t line = 0; line < lines.size(); ++line) {
      absl::StrAppend(&lines[line], first_column ? "" : "  ",
                      Padded(cells[line], width, IsNumeric(table, i)));
    }
    first_column = false;
  }
  for (size_t line = 0; line < lines.size(); ++line) {
    TrimRight(lines[line]);
    if (line == 0 && bold_heading) {
      lines[line] = "\033[1m" + lines[line] + "\033[0m";
    }
    out << lines[line] << "\n";
  }
}

}  // namespace

std::string ToText(const Value& value, int decimals) {
  if (const auto* text = std::get_if<std::string>(&value)) {
    return os::Quoted(*text);
  }
  if (const auto* number = std::get_if<uint64_t>(&value)) {
    return absl::StrCat(*number);
  }
  if (const auto* number = std::get_if<double>(&value)) {
    return absl::StrFormat("%.*f", decimals, *number);
  }
  return std::get<bool>(value) ? "yes" : "no";
}

void Print(const Table& table, Format format, bool bold_heading,
           std::ostream& out) {
  if (format == Format::kJson) {
    PrintJson(table, out);
  } else {
    PrintText(table, bold_heading, out);
  }
}

}  // namespace mpool::tools
