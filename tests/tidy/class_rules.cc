// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include <algorithm>
#include <cctype>
#include <optional>
#include <regex>
#include <set>

#include "tests/tidy/functions.h"
#include "tests/tidy/rules.h"

namespace mpool::tidy {
namespace {

struct Class {
  size_t line;  // from 1
  std::string name;
  bool is_struct;
  size_t first, last;                  // positions in the text of its braces
  std::set<std::string> methods = {};  // names: overloads count as one
  size_t members = 0;
};

// Returns the code of `source` as one text, without preprocessor lines.
std::string CodeText(const Source& source) {
  std::string text;
  bool continued = false;
  for (const std::string& line : source.code) {
    const size_t start = line.find_first_not_of(' ');
    const bool directive = start != std::string::npos && line[start] == '#';
    if (!directive && !continued) text += line;
    text += '\n';
    continued = (directive || continued) && line.ends_with('\\');
  }
  return text;
}

// Returns the position of the brace that closes the one at `open`.
size_t ClosingBrace(const std::string& text, size_t open) {
  int depth = 0;
  for (size_t i = open; i < text.size(); ++i) {
    depth += text[i] == '{' ? 1 : text[i] == '}' ? -1 : 0;
    if (depth == 0) return i;
  }
  return text.size();
}

std::string Trim(std::string text) {
  static const std::regex kLabel("^\\s*((public|private|protected)\\s*:\\s*)*");
  text = std::regex_replace(text, kLabel, "",
                            std::regex_constants::format_first_only);
  const size_t last = text.find_last_not_of(" \n");
  return last == std::string::npos ? "" : text.substr(0, last + 1);
}

size_t CountDeclarators(const std::string& statement) {
  const std::string text = WithoutTemplateArguments(statement);
  size_t count = 1;
  int depth = 0;
  for (const char c : text) {
    depth += c == '(' || c == '{' ? 1 : c == ')' || c == '}' ? -1 : 0;
    if (c == ',' && depth == 0) ++count;
  }
  return count;
}

// Counts one declaration of the body of `owner`.
void CountDeclaration(const std::string& text, Class* owner) {
  static const std::regex kOther(
      "^(friend|using|typedef|static_assert|enum|class|struct|union)\\b|"
      "=\\s*delete$");
  static const std::regex kStatic("\\bstatic\\b");
  const std::string statement = Trim(text);
  if (statement.empty()) return;
  const std::string name = FunctionName(statement);
  if (name == owner->name || name == "~" + owner->name) return;
  static const std::regex kTemplate("^template\\s*");
  const std::string plain =
      std::regex_replace(WithoutTemplateArguments(statement), kTemplate, "");
  if (std::regex_search(plain, kOther)) return;
  if (!name.empty()) {
    owner->methods.insert(name);
  } else if (!std::regex_search(statement, kStatic)) {
    owner->members += CountDeclarators(statement);
  }
}

// Reads the body of `owner`. Bodies of functions, nested types and initialisers
// are skipped.
void CountBody(const std::string& text, Class* owner) {
  static const std::regex kNested(
      "^(template\\s*)?(enum|class|struct|union)\\b[^(]*$");
  std::string head;
  int parens = 0;
  for (size_t i = owner->first + 1; i < owner->last; ++i) {
    const char c = text[i];
    parens += c == '(' ? 1 : c == ')' ? -1 : 0;
    if (c == '{') {
      i = ClosingBrace(text, i);
      const bool is_type =
          std::regex_search(WithoutTemplateArguments(Trim(head)), kNested);
      if (parens > 0 || is_type || FunctionName(Trim(head)).empty()) continue;
      CountDeclaration(head, owner);
      head.clear();
    } else if (c == ';' && parens == 0) {
      CountDeclaration(head, owner);
      head.clear();
    } else {
      head += c;
    }
  }
}

std::vector<Class> ClassesIn(const std::string& text) {
  static const std::regex kClass(
      "\\b(class|struct)\\s+(?:[A-Z_]+(?:\\([^)]*\\))?\\s+|"
      "alignas\\([^)]*\\)\\s+|\\[\\[[^\\]]*\\]\\]\\s+)*"
      "([A-Za-z_]\\w*)(?:\\s*<[^{};]*>)?(?:\\s+final)?\\s*(?::[^{};()]*)?\\{");
  static const std::regex kEnum("enum\\s+$");
  std::vector<Class> out;
  for (std::sregex_iterator it(text.begin(), text.end(), kClass), end;
       it != end; ++it) {
    const size_t start = static_cast<size_t>(it->position());
    if (std::regex_search(
            text.substr(start < 8 ? 0 : start - 8, std::min<size_t>(start, 8)),
            kEnum)) {
      continue;
    }
    const size_t open = start + static_cast<size_t>(it->length()) - 1;
    const auto line =
        std::count(text.begin(), text.begin() + it->position(), '\n');
    Class found{static_cast<size_t>(line) + 1, it->str(2),
                it->str(1) == "struct", open, ClosingBrace(text, open)};
    CountBody(text, &found);
    out.push_back(found);
  }
  return out;
}

// Returns the comment that ends above `line` (from 1).
std::string CommentAbove(const Source& source, size_t line) {
  std::string text;
  for (size_t i = line - 1; i-- > 0;) {
    const size_t start = source.lines[i].find_first_not_of(' ');
    if (start == std::string::npos) break;
    const bool is_comment = source.lines[i].compare(start, 2, "//") == 0;
    if (!is_comment && !source.lines[i].starts_with("template")) break;
    text = source.lines[i] + "\n" + text;
  }
  return text;
}

struct ClassLimit {
  size_t methods = 40;
  size_t members = 14;
};

// Returns the limit of a class; nothing for a struct that has no limit: shared
// memory, options and statistics.
std::optional<ClassLimit> LimitOf(const Source& source, const Class& found) {
  if (found.name == "Pool") return ClassLimit{.methods = 20, .members = 30};
  if (found.name == "Region") return ClassLimit{.methods = 25};
  if (!found.is_struct) return ClassLimit{};
  // Row has the columns of a report. Syscalls has one entry for each call.
  static const std::regex kExempt("Options|Stat|^(Row|Syscalls)$");
  const bool is_exempt =
      std::regex_search(found.name, kExempt) ||
      CommentAbove(source, found.line).find("SHARED") != std::string::npos;
  if (is_exempt) return std::nullopt;
  return ClassLimit{};
}

// A function that a header declares with "REQUIRES:" in its comment.
struct Precondition {
  size_t line;  // from 1, of the word REQUIRES
  std::string text;
  std::string owner;  // the class around it; may be empty
  std::string function;
};

std::vector<Precondition> PreconditionsIn(const Source& source) {
  const std::vector<Class> classes = ClassesIn(CodeText(source));
  const std::string text = CodeText(source);
  std::vector<Precondition> out;
  for (size_t i = 0; i < source.lines.size(); ++i) {
    const size_t word = source.lines[i].find("REQUIRES:");
    if (word == std::string::npos) continue;
    if (source.statements[i].find("REQUIRES:") != std::string::npos) continue;
    size_t next = i;
    std::string comment;
    const auto is_comment = [&](size_t line) {
      const size_t start = source.lines[line].find_first_not_of(' ');
      return start != std::string::npos &&
             source.lines[line].compare(start, 2, "//") == 0;
    };
    for (; next < source.lines.size() && is_comment(next); ++next) {
      comment += source.lines[next] + " ";
    }
    static const std::regex kNotCheckable("[Nn]ot[ /]+checkable");
    if (std::regex_search(comment, kNotCheckable)) continue;
    std::string head;
    size_t position = 0;
    for (size_t j = 0; j < next; ++j) position += source.code[j].size() + 1;
    for (size_t j = next; j < source.code.size(); ++j) {
      head += source.code[j] + " ";
      if (source.code[j].find_first_of(";{") != std::string::npos) break;
    }
    Precondition found{i + 1, source.lines[i].substr(word), "",
                       FunctionName(head.substr(0, head.find_first_of(";{")))};
    for (const Class& owner : classes) {
      if (owner.first < position && position < owner.last) {
        found.owner = owner.name;
      }
    }
    if (!found.function.empty()) out.push_back(found);
  }
  return out;
}

// True if a body of the function of `wanted` has an assertion.
bool IsAsserted(const Tree& tree, const Source& header,
                const Precondition& wanted) {
  static const std::regex kAssert("\\b(MPOOL_ASSERT\\w*|Assert\\w*)\\s*\\(");
  for (const Source& source : tree) {
    if (!source.IsCpp() || source.IsTest()) continue;
    for (const Function& function : FindFunctions(source.code)) {
      if (FunctionName(function.head) != wanted.function) continue;
      const std::string head = WithoutTemplateArguments(function.head);
      const bool is_of_class =
          head.find(wanted.owner + "::" + wanted.function) != std::string::npos;
      if (&source != &header && !wanted.owner.empty() && !is_of_class) continue;
      for (size_t i = function.first; i <= function.last; ++i) {
        if (std::regex_search(source.code[i], kAssert)) return true;
      }
    }
  }
  return false;
}

}  // namespace

Findings ClassSize(const Tree& tree) {
  Findings out;
  for (const Source& source : tree) {
    if (!source.path.ends_with(".h")) continue;
    for (const Class& found : ClassesIn(CodeText(source))) {
      const std::optional<ClassLimit> limit = LimitOf(source, found);
      if (!limit) continue;
      const auto check = [&](size_t count, size_t most, const char* kind) {
        if (count <= most) return;
        out.push_back({source.path, found.line,
                       found.name + " has " + std::to_string(count) + " " +
                           kind + ", more than " + std::to_string(most)});
      };
      check(found.methods.size(), limit->methods, "methods");
      check(found.members, limit->members, "data members");
    }
  }
  return out;
}

Findings PreconditionsAreChecked(const Tree& tree) {
  Findings out;
  for (const Source& source : tree) {
    const std::string_view folder = source.Folder();
    const bool is_checked = folder == "region" || folder == "mpool";
    if (!is_checked || !source.path.ends_with(".h")) continue;
    for (const Precondition& wanted : PreconditionsIn(source)) {
      if (IsAsserted(tree, source, wanted)) continue;
      const std::string owner = wanted.owner.empty() ? "" : wanted.owner + "::";
      out.push_back(
          {source.path, wanted.line,
           owner + wanted.function + " does not assert: " + wanted.text});
    }
  }
  return out;
}

}  // namespace mpool::tidy
