// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "tests/tidy/functions.h"

#include <cctype>
#include <regex>
#include <string_view>

namespace mpool::tidy {
namespace {

// Finds functions by their braces. A brace in a file, namespace or class opens
// a function if its head has parentheses. The head is the text since the last
// brace or semicolon. Everything inside a function is part of it.
class FunctionFinder {
 public:
  explicit FunctionFinder(const std::vector<std::string>& code) {
    bool continued = false;
    for (line_ = 0; line_ < code.size(); ++line_) {
      const std::string& text = code[line_];
      const size_t start = text.find_first_not_of(' ');
      const bool directive = start != std::string::npos && text[start] == '#';
      if (!directive && !continued) {
        for (const char c : text) Take(c);
        Take(' ');
      }
      continued = (directive || continued) && text.ends_with('\\');
    }
  }

  const std::vector<Function>& found() const { return found_; }

 private:
  enum class Kind { kScope, kFunction, kOther };
  struct Open {
    Kind kind;
    size_t first;
    std::string head;
  };

  void Take(char c) {
    if (c == '(') ++parens_;
    if (c == ')' && parens_ > 0) --parens_;
    if (c == '{') {
      opens_.push_back({Classify(), head_line_, head_});
      head_.clear();
    } else if (c == '}') {
      Close();
      head_.clear();
    } else if ((c == ';' && parens_ == 0) || (c == ':' && IsAccess(head_))) {
      head_.clear();
    } else if (!head_.empty() || !std::isspace(static_cast<unsigned char>(c))) {
      if (head_.empty()) head_line_ = line_;
      head_ += c;
    }
  }

  static bool IsAccess(std::string_view head) {
    return head == "public" || head == "protected" || head == "private";
  }

  Kind Classify() const {
    if (!opens_.empty() && opens_.back().kind != Kind::kScope) {
      return Kind::kOther;
    }
    static const std::regex kScopeWord(
        "^(template.*>\\s*)?((inline )?namespace|extern|class|struct|union|"
        "enum)\\b[^()]*$");
    static const std::regex kOperator("operator\\s*[^\\s(]+");
    if (std::regex_search(head_, kScopeWord)) return Kind::kScope;
    const std::string head = std::regex_replace(head_, kOperator, "operator");
    int depth = 0;
    bool parens = false;
    for (const char c : head) {
      depth += c == '(' ? 1 : c == ')' ? -1 : 0;
      parens |= c == '(';
      if (c == '=' && depth == 0) return Kind::kOther;
    }
    return parens ? Kind::kFunction : Kind::kOther;
  }

  void Close() {
    if (opens_.empty()) return;
    const Open open = opens_.back();
    opens_.pop_back();
    if (open.kind == Kind::kFunction) {
      found_.push_back({open.first, line_, open.head});
    }
  }

  size_t line_ = 0;
  size_t head_line_ = 0;
  int parens_ = 0;
  std::string head_;
  std::vector<Open> opens_;
  std::vector<Function> found_;
};

}  // namespace

std::vector<Function> FindFunctions(const std::vector<std::string>& code) {
  return FunctionFinder(code).found();
}

std::string WithoutTemplateArguments(const std::string& text) {
  std::string out;
  int depth = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const char before = i == 0 ? ' ' : text[i - 1];
    const bool is_word = std::isalnum(static_cast<unsigned char>(before)) != 0;
    if (text[i] == '<' && (is_word || depth > 0)) ++depth;
    if (depth == 0) out += text[i];
    if (text[i] == '>' && before != '-' && depth > 0) --depth;
  }
  return out;
}

std::string FunctionName(const std::string& head) {
  static const std::regex kMacro(
      "\\b[A-Z][A-Z0-9_]+\\s*\\([^()]*\\)|\\b(alignas|decltype|noexcept)\\s*"
      "\\([^()]*\\)|\\[\\[[^\\]]*\\]\\]");
  static const std::regex kOperator("operator\\s*(\\(\\)|[^\\s(]+)");
  static const std::regex kName("([~A-Za-z_][A-Za-z_0-9]*)\\s*\\(");
  std::string text = std::regex_replace(head, kOperator, "operator");
  text = std::regex_replace(WithoutTemplateArguments(text), kMacro, "");
  const std::string before_value = text.substr(0, text.find('='));
  std::smatch match;
  if (!std::regex_search(before_value, match, kName)) return "";
  return match.str(1);
}

}  // namespace mpool::tidy
