// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include <map>
#include <regex>
#include <set>

#include "tests/tidy/rules.h"

namespace mpool::tidy {
namespace {

using Words = std::set<std::string, std::less<>>;

Words WordsOf(const std::vector<std::string>& lines) {
  static const std::regex kWord("[A-Za-z_]\\w*");
  Words words;
  for (const std::string& line : lines) {
    for (std::sregex_iterator it(line.begin(), line.end(), kWord), end;
         it != end; ++it) {
      words.insert(it->str());
    }
  }
  return words;
}

// The names of the tree. A name of a document must be one of them.
class Names {
 public:
  explicit Names(const Tree& tree) : tree_(tree) {
    for (const Source& source : tree) {
      if (source.IsCpp()) words_[source.path] = WordsOf(source.code);
    }
  }

  // True if one C++ file has both words.
  bool HasTogether(const std::string& a, const std::string& b) const {
    for (const auto& [path, words] : words_) {
      if (words.contains(a) && words.contains(b)) return true;
    }
    return false;
  }

  // True if a path ends with the file name `name`, or has the folder `name`.
  // '*' stands for any characters, NAME for any name.
  bool HasPath(const std::string& name) const {
    static const std::regex kSpecial("[.+{}()]");
    static const std::regex kStar("\\*|NAME");
    std::string form = std::regex_replace(name, kSpecial, "\\$&");
    form = std::regex_replace(form, kStar, "[^/]*");
    const bool is_folder = form.ends_with('/');
    const std::regex path("(^|/)" + form + (is_folder ? "" : "$"));
    for (const Source& source : tree_) {
      if (std::regex_search(source.path, path)) return true;
    }
    return false;
  }

 private:
  const Tree& tree_;
  std::map<std::string, Words> words_;
};

// Returns the fault of the name `text` in backticks; empty if there is none.
std::string FaultOf(const Names& names, const std::string& text) {
  static const std::regex kPath(
      "(\\.\\./)*([\\w.*-]+/)*[\\w*-]+\\.(h|cc|md|def|cmake|sh)|"
      "([a-z_]\\w*/)+");
  static const std::regex kMember("(\\w+)::(\\w+)(\\(\\))?");
  static const std::regex kTest("(?:\\w+/)?(\\w+Test)\\.(\\w+)(?:/\\w+)?");
  std::smatch match;
  if (std::regex_match(text, match, kPath)) {
    static const std::regex kUp("^(\\.\\./)+");
    const std::string path = std::regex_replace(text, kUp, "");
    return names.HasPath(path) ? "" : "no such file: " + text;
  }
  if (std::regex_match(text, match, kMember)) {
    if (match.str(1) == "std" || match.str(1) == "absl") return "";
    const bool has = names.HasTogether(match.str(1), match.str(2));
    return has ? "" : "no such name: " + text;
  }
  if (std::regex_match(text, match, kTest)) {
    const bool has = names.HasTogether(match.str(1), match.str(2));
    return has ? "" : "no such test: " + text;
  }
  return "";
}

}  // namespace

Findings DocumentsNameWhatExists(const Tree& tree) {
  static const std::regex kQuoted("`([^`]+)`");
  const Names names(tree);
  Findings out;
  for (const Source& source : tree) {
    const bool is_readme = source.path.ends_with("README.md");
    const bool is_doc =
        source.path.ends_with(".md") && source.Folder() == "docs";
    if (!is_readme && !is_doc) continue;
    if (source.path == "docs/style.md") continue;  // has examples of names
    for (size_t i = 0; i < source.lines.size(); ++i) {
      const std::string& line = source.lines[i];
      for (std::sregex_iterator it(line.begin(), line.end(), kQuoted), end;
           it != end; ++it) {
        const std::string fault = FaultOf(names, it->str(1));
        if (!fault.empty()) out.push_back({source.path, i + 1, fault});
      }
    }
  }
  return out;
}

}  // namespace mpool::tidy
