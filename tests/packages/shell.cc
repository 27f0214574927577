// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "tests/packages/shell.h"

#include <algorithm>
#include <regex>
#include <set>
#include <utility>

namespace mpool::packages {
namespace {

using Words = std::set<std::string_view>;

// A command may follow these.
const Words kLeads = {"if", "then", "elif", "else", "while", "until",
                      "do", "!",    "{",    "time", "exec",  "command"};
const Words kTails = {"fi", "done", "}", "in", "esac"};
// The first word after their options is a command.
const Words kWrappers = {"env", "nice", "sudo", "xargs"};
const Words kBuiltins = {
    ".",     ":",      "[",    "break",  "cd",       "continue", "declare",
    "echo",  "eval",   "exit", "export", "false",    "getopts",  "hash",
    "jobs",  "kill",   "let",  "local",  "mapfile",  "popd",     "printf",
    "pushd", "pwd",    "read", "return", "readonly", "set",      "shift",
    "shopt", "source", "test", "trap",   "true",     "type",     "ulimit",
    "umask", "unset",  "wait"};

class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  std::vector<Command> Run() {
    while (at_ < text_.size()) List('\0');
    std::erase_if(commands_, [&](const Command& command) {
      return functions_.count(command.name) != 0;
    });
    return std::move(commands_);
  }

 private:
  struct Word {
    std::string text;
    bool literal = true;  // nothing in it is expanded
  };

  char Peek(size_t ahead = 0) const {
    return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0';
  }
  bool Sees(std::string_view word) const {
    return text_.substr(at_, word.size()) == word;
  }
  void Skip(size_t count = 1) { at_ = std::min(at_ + count, text_.size()); }
  // Moves past the next `end`, or to the end of the text.
  void SkipPast(std::string_view end) {
    const size_t found = text_.find(end, at_);
    at_ = found == std::string_view::npos ? text_.size() : found + end.size();
  }
  bool AtDigit() const { return Peek() >= '0' && Peek() <= '9'; }
  bool AtBlank() const { return Peek() == ' ' || Peek() == '\t'; }
  void SkipBlanks() {
    while (at_ < text_.size() && (AtBlank() || Sees("\\\n"))) {
      Skip(AtBlank() ? 1 : 2);
    }
    if (Peek() == '#') at_ = std::min(text_.find('\n', at_), text_.size());
  }
  void SkipSpace() {
    for (SkipBlanks(); Peek() == '\n'; SkipBlanks()) Newline();
  }
  void Newline() {
    Skip();
    for (const std::string& end : heredocs_) {
      while (at_ < text_.size()) {
        const size_t stop = std::min(text_.find('\n', at_), text_.size());
        std::string line(text_.substr(at_, stop - at_));
        line.erase(0, line.find_first_not_of('\t'));
        at_ = std::min(stop + 1, text_.size());
        if (line == end) break;
      }
    }
    heredocs_.clear();
  }

  // Reads from "((" to its "))".
  void Arithmetic() {
    int depth = 0;
    do {
      if (Peek() == '(') ++depth;
      if (Peek() == ')') --depth;
      Skip();
    } while (depth > 0 && at_ < text_.size());
  }
  // Reads from the '$' or '`' of an expansion to its end.
  void Expansion() {
    if (Sees("$((")) return Skip(), Arithmetic();
    if (Sees("$(")) return Skip(2), List(')');
    if (Sees("${")) {
      for (Skip(2); at_ < text_.size() && Peek() != '}';) Piece(nullptr);
    }
    Skip();
  }
  void Quoted(Word* word) {
    for (Skip(); at_ < text_.size() && Peek() != '"';) {
      if (Peek() == '$') {
        if (word != nullptr) word->literal = false;
        Expansion();
      } else {
        if (Peek() == '\\') Skip();
        if (word != nullptr) word->text += Peek();
        Skip();
      }
    }
    Skip();
  }
  // Reads one character of a word, or one quoted or expanded part of it.
  void Piece(Word* word) {
    const char c = Peek();
    if (c == '"') return Quoted(word);
    if (c == '\'') {
      const size_t begin = at_ + 1;
      Skip();
      SkipPast("'");
      if (word != nullptr) word->text += text_.substr(begin, at_ - 1 - begin);
    } else if (c == '$' || c == '`') {
      if (word != nullptr) word->literal = false;
      Expansion();
    } else {
      if (c == '\\') Skip();
      if (word != nullptr) word->text += Peek();
      Skip();
    }
  }
  Word ReadWord() {
    Word word;
    while (at_ < text_.size() &&
           std::string_view(" \t\n;&|()<>").find(Peek()) ==
               std::string_view::npos) {
      Piece(&word);
    }
    return word;
  }

  void Redirection() {
    if (Peek(1) == '(') return Skip(2), List(')');
    const bool heredoc = Sees("<<") && Peek(2) != '<';
    while (std::string_view("<>&|-").find(Peek()) != std::string_view::npos) {
      Skip();
    }
    SkipBlanks();
    const Word target = ReadWord();
    if (heredoc) heredocs_.push_back(target.text);
  }
  // Reads the words of an array up to its ')'.
  void Array() {
    Skip();
    for (SkipSpace(); at_ < text_.size() && Peek() != ')'; SkipSpace()) {
      if (ReadWord().text.empty() && Peek() != ')') Skip();
    }
    Skip();
  }
  void Test() {
    for (SkipSpace(); at_ < text_.size(); SkipSpace()) {
      const size_t before = at_;
      if (ReadWord().text == "]]") return;
      if (at_ == before) Skip();
    }
  }
  // Reads from the word after `case` to its `esac`.
  void Case() {
    SkipSpace();
    ReadWord();
    SkipSpace();
    ReadWord();  // in
    for (SkipSpace(); at_ < text_.size(); SkipSpace()) {
      if (Sees("esac")) return Skip(4);
      if (Peek() == '(') Skip();
      while (at_ < text_.size() && Peek() != ')') {
        const size_t before = at_;
        ReadWord();
        if (at_ == before) Skip();
      }
      Skip();
      List(';');
      if (last_ == "esac") return;
    }
  }

  // Reads commands up to `end`, which is ')', ';' for the branch of a case, or
  // '\0' for the end of the text.
  void List(char end) {
    expects_ = true;
    while (at_ < text_.size()) {
      SkipBlanks();
      const char c = Peek();
      if (c == ')') {
        Skip();
        if (end == ')') break;
        expects_ = true;
      } else if (Sees(";;")) {
        Skip(2);
        if (end == ';') break;
      } else if (c == '\n') {
        Newline();
        expects_ = true;
      } else if (c == ';' || c == '&' || c == '|') {
        Skip();
        if (c == '&' && Peek() == '>') continue;
        expects_ = true;
      } else if (Sees("((")) {
        Arithmetic();
      } else if (c == '(') {
        Skip();
        List(')');
      } else if (c == '<' || c == '>') {
        Redirection();
      } else if (at_ < text_.size()) {
        Simple();
        if (end == ';' && last_ == "esac") break;
      }
    }
    if (end == ')') last_.clear();
    expects_ = false;
  }

  // Reads the next word, as a command if a command is expected.
  void Simple() {
    static const std::regex kAssignment("[A-Za-z_]\\w*(\\[.*\\])?\\+?=.*");
    const size_t line = 1 + static_cast<size_t>(std::count(
                                text_.begin(), text_.begin() + at_, '\n'));
    const bool expected = expects_;
    const Word word = ReadWord();
    last_.clear();
    const bool descriptor =
        (Peek() == '<' || Peek() == '>') &&
        word.text.find_first_not_of("0123456789") == std::string::npos;
    if (std::regex_match(word.text, kAssignment)) {
      if (word.text.ends_with('=') && Peek() == '(') Array();
      expects_ = expected;
      return;
    }
    if (!expected || descriptor) return;
    expects_ = false;
    if (!word.literal) return;
    last_ = word.text;
    if (Sees("()")) {
      Skip(2);
      functions_.insert(word.text);
      expects_ = true;
    } else if (word.text == "[[") {
      Test();
    } else if (word.text == "case") {
      Case();
      last_.clear();
    } else if (word.text == "for") {
      last_.clear();
    } else if (kLeads.count(word.text) != 0) {
      expects_ = true;
    } else if (kTails.count(word.text) == 0) {
      Record(line, word.text);
    }
  }

  void Record(size_t line, const std::string& name) {
    static const std::regex kProgram("(/(usr/)?s?bin/)?[a-z][\\w.+-]*");
    if (!std::regex_match(name, kProgram)) return;
    const std::string base = name.substr(name.rfind('/') + 1);
    if (kBuiltins.count(base) == 0) commands_.push_back({line, base});
    if (kWrappers.count(base) == 0) return;
    // Options, their numbers and assignments precede the command.
    for (SkipBlanks(); Peek() == '-' || AtDigit(); SkipBlanks()) ReadWord();
    expects_ = true;
  }

  const std::string_view text_;
  size_t at_ = 0;
  bool expects_ = true;  // the next word is a command
  std::string last_;     // the last word that was a command
  std::vector<std::string> heredocs_;
  std::vector<Command> commands_;
  std::set<std::string> functions_;
};

}  // namespace

std::vector<Command> CommandsOf(std::string_view script) {
  return Reader(script).Run();
}

}  // namespace mpool::packages
