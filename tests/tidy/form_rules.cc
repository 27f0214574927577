// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include <algorithm>
#include <cctype>
#include <regex>

#include "tests/tidy/functions.h"
#include "tests/tidy/rules.h"

namespace mpool::tidy {
namespace {

size_t Columns(std::string_view line) {
  return static_cast<size_t>(std::count_if(
      line.begin(), line.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

std::string GuardOf(std::string path) {
  constexpr std::string_view kPublic = "include/mpool/";
  if (path.starts_with(kPublic)) path.erase(0, kPublic.size());
  for (char& c : path) {
    c = std::isalnum(static_cast<unsigned char>(c))
            ? static_cast<char>(std::toupper(static_cast<unsigned char>(c)))
            : '_';
  }
  return "MPOOL_" + path + "_";
}

// Adds every line of `lines` that matches `pattern`.
void Grep(const std::string& file, const std::vector<std::string>& lines,
          const std::regex& pattern, const std::string& rule, Findings* out) {
  for (size_t i = 0; i < lines.size(); ++i) {
    std::smatch match;
    if (std::regex_search(lines[i], match, pattern)) {
      out->push_back({file, i + 1, rule + ": " + match.str()});
    }
  }
}

}  // namespace

std::string Print(const Findings& findings) {
  std::string text;
  for (const Finding& finding : findings) {
    text += finding.file + ":" + std::to_string(finding.line) + ": " +
            finding.rule + "\n";
  }
  return text;
}

Findings FileLength(const Tree& tree) {
  Findings out;
  for (const Source& source : tree) {
    if (source.IsCpp() && source.lines.size() > kMaxFileLines) {
      out.push_back(
          {source.path, source.lines.size(),
           "file is longer than " + std::to_string(kMaxFileLines) + " lines"});
    }
  }
  return out;
}

Findings LineLength(const Tree& tree) {
  Findings out;
  for (const Source& source : tree) {
    if (!source.IsCpp()) continue;
    for (size_t i = 0; i < source.lines.size(); ++i) {
      const std::string& line = source.lines[i];
      if (Columns(line) <= kMaxLineColumns) continue;
      if (line.find("://") != std::string::npos) continue;
      out.push_back({source.path, i + 1,
                     "line has " + std::to_string(Columns(line)) +
                         " columns, more than " +
                         std::to_string(kMaxLineColumns)});
    }
  }
  return out;
}

Findings FunctionLength(const Tree& tree) {
  Findings out;
  for (const Source& source : tree) {
    if (!source.IsCpp()) continue;
    for (const Function& function : FindFunctions(source.code)) {
      const size_t length = function.last - function.first + 1;
      if (length <= kMaxFunctionLines) continue;
      out.push_back({source.path, function.first + 1,
                     "function has " + std::to_string(length) +
                         " lines, more than " +
                         std::to_string(kMaxFunctionLines)});
    }
  }
  return out;
}

Findings LicenceLine(const Tree& tree) {
  const std::string licence =
      " Copyright 2026 The mpool authors. Licensed under the Apache License "
      "2.0.";
  Findings out;
  for (const Source& source : tree) {
    const auto has = [&](size_t line, const std::string& text) {
      return source.lines.size() > line && source.lines[line] == text;
    };
    const bool script = source.path.ends_with("CMakeLists.txt") ||
                        source.path.ends_with(".cmake") ||
                        source.path.ends_with(".sh") || source.path == "dev";
    const bool bad =
        (source.IsCpp() && !has(0, "//" + licence)) ||
        (script && !has(0, "#" + licence) && !has(1, "#" + licence));
    if (bad) out.push_back({source.path, 1, "licence line is missing"});
  }
  return out;
}

Findings HeaderGuard(const Tree& tree) {
  Findings out;
  for (const Source& source : tree) {
    if (!source.path.ends_with(".h")) continue;
    const std::string guard = GuardOf(source.path);
    const auto& lines = source.statements;
    const auto has = [&](const std::string& line) {
      return std::find(lines.begin(), lines.end(), line) != lines.end();
    };
    if (!has("#ifndef " + guard) || !has("#define " + guard)) {
      out.push_back({source.path, 1, "header guard is not " + guard});
    }
  }
  return out;
}

Findings NoGoto(const Tree& tree) {
  static const std::regex kGoto("\\bgoto\\b");
  Findings out;
  for (const Source& source : tree) {
    Grep(source.path, source.code, kGoto, "no goto", &out);
  }
  return out;
}

Findings NoOpenEnds(const Tree& tree) {
  static const std::regex kNote(
      "\\b(TO"
      "DO|FIX"
      "ME|XX"
      "X)\\b");
  Findings out;
  for (const Source& source : tree) {
    Grep(source.path, source.lines, kNote, "note of unfinished work", &out);
  }
  return out;
}

Findings NoEmptyTests(const Tree& tree) {
  static const std::regex kEmpty(
      "GTEST_SKIP|\\bDISABLED_|\\bSUCCEED\\s*\\(|"
      "\\b(EXPECT_TRUE|ASSERT_TRUE|assert)\\s*\\(\\s*true\\s*\\)|"
      "\\b(EXPECT|ASSERT)_FALSE\\s*\\(\\s*false\\s*\\)|"
      "\\b(EXPECT|ASSERT)_EQ\\s*\\(\\s*(\\w+)\\s*,\\s*\\4\\s*\\)");
  Findings out;
  for (const Source& source : tree) {
    if (!source.IsTest()) continue;
    Grep(source.path, source.code, kEmpty, "test that cannot fail", &out);
  }
  return out;
}

}  // namespace mpool::tidy
