// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// prose.h - the English text of a file.

#ifndef MPOOL_TESTS_TIDY_PROSE_H_
#define MPOOL_TESTS_TIDY_PROSE_H_

#include <cstddef>
#include <string>
#include <vector>

#include "tests/tidy/source.h"

namespace mpool::tidy {

// A part of one line: a comment without its slashes, the quoted text of a line,
// or a line of Markdown outside of a code block.
struct Prose {
  size_t line;  // from 1
  bool starts;  // the first line of a comment or of a paragraph in it
  std::string text;
};

std::vector<Prose> Comments(const Source& source);    // C++ only
std::vector<Prose> QuotedText(const Source& source);  // C++ only
std::vector<Prose> MarkdownText(const Source& source);

// Text of several lines that remembers the line of each character.
class Passage {
 public:
  // Adds a line. A line that does not follow the last one is separated by a
  // full stop, so that no phrase crosses the gap.
  void Add(const Prose& prose);

  const std::string& text() const { return text_; }
  // Returns the line of the character at `position`.
  size_t LineAt(size_t position) const;

 private:
  std::string text_;
  std::vector<size_t> starts_;  // in text_, one for each line
  std::vector<size_t> lines_;
};

}  // namespace mpool::tidy

#endif  // MPOOL_TESTS_TIDY_PROSE_H_
