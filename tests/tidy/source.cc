// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "tests/tidy/source.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <utility>

namespace mpool::tidy {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> Split(std::string_view text) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    lines.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

// Replaces comments, and quoted text if `quotes` is set, by blanks.
class Blanker {
 public:
  Blanker(std::string_view text, bool quotes) : text_(text), quotes_(quotes) {}

  std::string Run() {
    while (at_ < text_.size()) Step();
    return std::move(out_);
  }

 private:
  bool Sees(std::string_view word) const {
    return text_.substr(at_, word.size()) == word;
  }
  void Copy(size_t count) {
    out_.append(text_.substr(at_, count));
    at_ = std::min(at_ + count, text_.size());
  }
  void Blank(size_t end, bool really) {
    for (end = std::min(end, text_.size()); at_ < end; ++at_) {
      out_ += really && text_[at_] != '\n' ? ' ' : text_[at_];
    }
  }
  // True at a quote between two digits, which separates thousands.
  bool SeesDigitSeparator() const {
    const auto word = [](char c) {
      return std::isxdigit(static_cast<unsigned char>(c)) != 0;
    };
    return text_[at_] == '\'' && at_ > 0 && at_ + 1 < text_.size() &&
           word(text_[at_ - 1]) && word(text_[at_ + 1]) &&
           (at_ < 2 || text_[at_ - 2] != '\'');
  }

  void Step() {
    if (Sees("//")) return Blank(text_.find('\n', at_), true);
    if (Sees("/*")) {
      const size_t end = text_.find("*/", at_ + 2);
      return Blank(end == std::string_view::npos ? end : end + 2, true);
    }
    if (Sees("R\"")) return Raw();
    if (text_[at_] == '"') return Quoted('"');
    if (text_[at_] == '\'' && !SeesDigitSeparator()) return Quoted('\'');
    Copy(1);
  }

  void Raw() {
    const size_t open = text_.find('(', at_);
    if (open == std::string_view::npos) return Copy(2);
    std::string close = ")";
    close.append(text_.substr(at_ + 2, open - at_ - 2));
    close += '"';
    Copy(open + 1 - at_);
    Blank(text_.find(close, at_), quotes_);
    Copy(close.size());
  }

  void Quoted(char quote) {
    size_t end = at_ + 1;
    while (end < text_.size() && text_[end] != quote && text_[end] != '\n') {
      end += text_[end] == '\\' ? 2 : 1;
    }
    Copy(1);
    Blank(end, quotes_);
    Copy(1);
  }

  const std::string_view text_;
  const bool quotes_;
  size_t at_ = 0;
  std::string out_;
};

std::string ReadText(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(in), {});
}

bool IsText(const fs::path& path) {
  static const char* const kKinds[] = {".h",  ".cc", ".cmake", ".md",  ".def",
                                       ".in", ".sh", ".json",  ".txt", ".yml"};
  const std::string kind = path.extension().string();
  return path.filename() == "dev" || path.filename() == "list" ||
         std::find(std::begin(kKinds), std::end(kKinds), kind) !=
             std::end(kKinds);
}

}  // namespace

std::string_view Source::Folder() const {
  const size_t slash = path.find('/');
  return slash == std::string::npos ? std::string_view()
                                    : std::string_view(path).substr(0, slash);
}

bool Source::IsCpp() const {
  return path.ends_with(".h") || path.ends_with(".cc");
}

bool Source::IsTest() const {
  const std::string_view name =
      std::string_view(path).substr(path.rfind('/') + 1);
  return name.ends_with("_test.cc") || name.starts_with("test_") ||
         Folder() == "tests";
}

Source MakeSource(std::string path, std::string_view text) {
  Source source{std::move(path), Split(text), {}, {}};
  if (source.IsCpp() || source.path.ends_with(".def")) {
    source.statements = Split(Blanker(text, false).Run());
    source.code = Split(Blanker(text, true).Run());
  }
  return source;
}

std::vector<Source> LoadTree(const std::string& root) {
  std::vector<Source> tree;
  for (auto it = fs::recursive_directory_iterator(root);
       it != fs::recursive_directory_iterator(); ++it) {
    const std::string name = it->path().filename().string();
    if (it->is_directory()) {
      const bool skip =
          name[0] == '.' || (it.depth() == 0 && name.starts_with("build"));
      if (skip) it.disable_recursion_pending();
    } else if (it->is_regular_file() && IsText(it->path())) {
      tree.push_back(MakeSource(it->path().lexically_relative(root).string(),
                                ReadText(it->path())));
    }
  }
  std::sort(tree.begin(), tree.end(),
            [](const Source& a, const Source& b) { return a.path < b.path; });
  return tree;
}

const Source* Find(const std::vector<Source>& tree, std::string_view path) {
  for (const Source& source : tree) {
    if (source.path == path) return &source;
  }
  return nullptr;
}

std::string Join(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text.append(line).append("\n");
  return text;
}

}  // namespace mpool::tidy
