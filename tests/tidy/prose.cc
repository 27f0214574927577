// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "tests/tidy/prose.h"

#include <algorithm>
#include <string_view>

namespace mpool::tidy {
namespace {

// Returns the first character of the comment in `line`; npos if there is none.
size_t CommentStart(const std::string& line, const std::string& statement) {
  for (size_t i = 0; i < line.size(); ++i) {
    if (line[i] != statement[i]) return i;
  }
  return std::string::npos;
}

bool IsBlank(std::string_view text) {
  return text.find_first_not_of(' ') == std::string_view::npos;
}

}  // namespace

std::vector<Prose> Comments(const Source& source) {
  std::vector<Prose> out;
  bool inside = false;  // the line before has a comment with text
  size_t column = 0;    // of that comment
  for (size_t i = 0; i < source.statements.size(); ++i) {
    const std::string& line = source.lines[i];
    const size_t start = CommentStart(line, source.statements[i]);
    if (start == std::string::npos) {
      inside = false;
      continue;
    }
    std::string text = line.substr(start);
    text.erase(0, std::min(text.find_first_not_of("/*"), text.size()));
    if (text.starts_with(' ')) text.erase(0, 1);
    const bool after_code = !IsBlank(std::string_view(line).substr(0, start));
    if (!IsBlank(text)) {
      const bool starts = after_code || !inside || start != column;
      out.push_back({i + 1, starts, text});
    }
    column = start;
    inside = !IsBlank(text);
  }
  return out;
}

std::vector<Prose> QuotedText(const Source& source) {
  std::vector<Prose> out;
  bool inside = false;
  for (size_t i = 0; i < source.code.size(); ++i) {
    if (source.code[i].starts_with("#include")) continue;
    std::string text;
    for (size_t j = 0; j < source.code[i].size(); ++j) {
      if (source.code[i][j] == '"') {
        inside = !inside;
      } else if (inside) {
        text += source.statements[i][j];
      }
    }
    if (!IsBlank(text)) out.push_back({i + 1, false, text});
  }
  return out;
}

std::vector<Prose> MarkdownText(const Source& source) {
  std::vector<Prose> out;
  bool is_code = false;
  for (size_t i = 0; i < source.lines.size(); ++i) {
    const std::string& line = source.lines[i];
    if (line.starts_with("```")) {
      is_code = !is_code;
    } else if (!is_code && !IsBlank(line)) {
      out.push_back({i + 1, false, line});
    }
  }
  return out;
}

void Passage::Add(const Prose& prose) {
  if (!lines_.empty()) text_ += lines_.back() + 1 == prose.line ? " " : " . ";
  starts_.push_back(text_.size());
  lines_.push_back(prose.line);
  text_ += prose.text;
}

size_t Passage::LineAt(size_t position) const {
  const auto after = std::upper_bound(starts_.begin(), starts_.end(), position);
  return lines_[static_cast<size_t>(after - starts_.begin()) - 1];
}

}  // namespace mpool::tidy
