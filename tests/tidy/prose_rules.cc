// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include <map>
#include <regex>
#include <sstream>

#include "tests/tidy/prose.h"
#include "tests/tidy/rules.h"

namespace mpool::tidy {
namespace {

constexpr std::string_view kStyle = "docs/style.md";  // quotes bad examples

size_t CountWords(const std::string& text) {
  static const std::regex kWord("[A-Za-z][A-Za-z']*");
  return static_cast<size_t>(
      std::distance(std::sregex_iterator(text.begin(), text.end(), kWord),
                    std::sregex_iterator()));
}

struct Usage {
  size_t words = 0;
  size_t phrases = 0;
  std::string places;
};

void CountPhrases(const Source& source, const std::vector<Prose>& prose,
                  Usage* usage) {
  static const std::regex kPhrase(
      "\\b(who|whom|whoever|whose|nobody|somebody|anybody|anew|those who|"
      "what\\s+(is|was|they|it)|but\\s+for|for\\s+ever|meanwhile|"
      "by\\s+now)\\b",
      std::regex::icase);
  Passage passage;
  for (const Prose& line : prose) passage.Add(line);
  const std::string& text = passage.text();
  usage->words += CountWords(text);
  for (std::sregex_iterator it(text.begin(), text.end(), kPhrase), end;
       it != end; ++it) {
    ++usage->phrases;
    const size_t line = passage.LineAt(static_cast<size_t>(it->position()));
    usage->places +=
        "\n  " + source.path + ":" + std::to_string(line) + ": " + it->str();
  }
}

// Finds the sentences of one comment that are too long. A line with a list mark
// starts an item. An empty line or a code block ends a sentence.
class SentenceReader {
 public:
  SentenceReader(const Source& source, Findings* out)
      : source_(source), out_(out) {}

  void Read(const Prose& prose) {
    static const std::regex kItem("^ *([-*]|[0-9]+\\.) ");
    const bool is_code = prose.text.starts_with("    ");
    const bool is_item = std::regex_search(prose.text, kItem);
    if (is_code || is_item || prose.starts || prose.line != line_ + 1) End();
    line_ = prose.line;
    if (is_code) return;
    std::istringstream words(prose.text);
    for (std::string word; words >> word;) Take(word);
  }

  void End() {
    if (count_ > kMaxSentenceWords) {
      out_->push_back({source_.path, first_,
                       "sentence has " + std::to_string(count_) +
                           " words, more than " +
                           std::to_string(kMaxSentenceWords)});
    }
    count_ = 0;
  }

 private:
  void Take(const std::string& word) {
    if (count_ == 0) first_ = line_;
    if (CountWords(word) > 0 || std::isdigit(word[0]) != 0) ++count_;
    const size_t last = word.find_last_not_of(")\"'`");
    const bool abbreviates = word == "e.g." || word == "i.e.";
    if (last != std::string::npos && !abbreviates &&
        std::string_view(".!?").find(word[last]) != std::string_view::npos) {
      End();
    }
  }

  const Source& source_;
  Findings* out_;
  size_t line_ = 0;
  size_t first_ = 0;
  size_t count_ = 0;
};

}  // namespace

Findings VaguePhrases(const Tree& tree) {
  std::map<std::string, Usage> folders;
  for (const Source& source : tree) {
    if (source.path == kStyle) continue;
    Usage* usage = &folders[std::string(source.Folder())];
    if (source.IsCpp() || source.path.ends_with(".def")) {
      CountPhrases(source, Comments(source), usage);
      CountPhrases(source, QuotedText(source), usage);
    } else if (source.path.ends_with(".md")) {
      CountPhrases(source, MarkdownText(source), usage);
    }
  }
  Findings out;
  for (const auto& [folder, usage] : folders) {
    if (usage.phrases * 1000 <= usage.words * kMaxVaguePerThousand) continue;
    out.push_back({folder.empty() ? "." : folder, 1,
                   std::to_string(usage.phrases) + " vague phrases in " +
                       std::to_string(usage.words) + " words:" + usage.places});
  }
  return out;
}

Findings CommentStarts(const Tree& tree) {
  static const std::regex kStart("^\\s*(Of|Whether|Who|What)\\b");
  Findings out;
  for (const Source& source : tree) {
    for (const Prose& comment : Comments(source)) {
      std::smatch start;
      if (comment.starts && std::regex_search(comment.text, start, kStart)) {
        out.push_back(
            {source.path, comment.line, "comment starts with " + start.str(1)});
      }
    }
  }
  return out;
}

Findings SentenceLength(const Tree& tree) {
  Findings out;
  for (const Source& source : tree) {
    if (!source.path.starts_with("include/mpool/")) continue;
    SentenceReader reader(source, &out);
    for (const Prose& comment : Comments(source)) reader.Read(comment);
    reader.End();
  }
  return out;
}

}  // namespace mpool::tidy
