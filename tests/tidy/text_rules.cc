// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include <map>
#include <regex>
#include <set>

#include "tests/tidy/rules.h"

namespace mpool::tidy {
namespace {

struct Step {
  std::string file;
  size_t line;  // from 1
  std::string name;
};

// Returns the quoted first argument of every call of `callee` in `source`. The
// argument may be on the next line.
std::vector<Step> StepsIn(const Source& source, const std::string& callee) {
  const std::regex call("\\b" + callee + "\\s*\\(\\s*\"([^\"]*)\"");
  const std::string text = Join(source.statements);
  std::vector<Step> steps;
  for (std::sregex_iterator it(text.begin(), text.end(), call), end; it != end;
       ++it) {
    const auto line =
        std::count(text.begin(), text.begin() + it->position(), '\n');
    steps.push_back({source.path, static_cast<size_t>(line) + 1, it->str(1)});
  }
  return steps;
}

// Returns the text between a line with `from` and the next line with `to`.
std::string Between(const Source& source, std::string_view from,
                    std::string_view to) {
  std::string text;
  bool inside = false;
  for (const std::string& line : source.lines) {
    if (inside && line.find(to) != std::string::npos) break;
    if (inside) text.append(line).append("\n");
    if (line.find(from) != std::string::npos) inside = true;
  }
  return text;
}

bool Exists(const Tree& tree, const std::string& path) {
  for (const Source& source : tree) {
    if (source.path == path || source.path.starts_with(path + "/")) return true;
  }
  return false;
}

}  // namespace

Findings StepNames(const Tree& tree) {
  static const std::regex kForm("[a-z]+\\.[a-z_]+\\.[a-z0-9_]+");
  Findings out;
  std::map<std::string, Step> seen;
  for (const Source& source : tree) {
    if (!source.IsCpp() || source.IsTest()) continue;
    for (const Step& step : StepsIn(source, "MPOOL_STEP")) {
      const std::string layer(source.Folder());
      if (!std::regex_match(step.name, kForm) ||
          !step.name.starts_with(layer + ".")) {
        out.push_back({step.file, step.line,
                       "step is not " + layer + ".verb.point: " + step.name});
      }
      const auto [first, is_new] = seen.emplace(step.name, step);
      if (is_new) continue;
      out.push_back({step.file, step.line,
                     "step also stands at " + first->second.file + ":" +
                         std::to_string(first->second.line) + ": " +
                         step.name});
    }
  }
  return out;
}

Findings StepsInTestsExist(const Tree& tree) {
  std::set<std::string> known;
  for (const Source& source : tree) {
    for (const char* callee : {"MPOOL_STEP", "Step"}) {
      for (Step& step : StepsIn(source, callee)) known.insert(step.name);
    }
  }
  Findings out;
  for (const Source& source : tree) {
    for (const char* callee : {"KillAtStep", "CallAtStep"}) {
      for (const Step& step : StepsIn(source, callee)) {
        if (known.count(step.name) != 0) continue;
        out.push_back({step.file, step.line, "no such step: " + step.name});
      }
    }
  }
  return out;
}

namespace {

// "no step: why" at the store, "no step below: why" above its function, "no
// step file: why" in the head of the file.
bool IsQuiet(const Source& source, size_t first, size_t last) {
  auto says = [&](size_t line, const char* what) {
    return source.lines[line].find(what) != std::string::npos;
  };
  for (size_t i = first == 0 ? 0 : first - 1; i <= last; ++i) {
    if (says(i, "// no step: ")) return true;
  }
  for (size_t i = first; i-- > 0 && source.code[i] != "}";) {
    if (says(i, "// no step below: ")) return true;
  }
  for (size_t i = 0; i < source.lines.size(); ++i) {
    if (!source.lines[i].starts_with("//")) break;
    if (says(i, "// no step file: ")) return true;
  }
  return false;
}

}  // namespace

Findings StoresHaveSteps(const Tree& tree) {
  static const std::regex kStore(
      "(\\.|->)(store|exchange|fetch_[a-z]+|compare_exchange_[a-z]+|"
      "Change(AndWake)?)\\(");
  static const std::regex kEnd("[;{]\\s*$");
  constexpr size_t kStatementLines = 4;
  constexpr size_t kStepWithin = 6;
  Findings out;
  for (const Source& source : tree) {
    const std::string layer(source.Folder());
    const bool is_shared = layer == "region" || layer.starts_with("mpool");
    if (!is_shared || source.IsTest()) continue;
    const std::vector<std::string>& code = source.code;
    for (size_t i = 0; i < code.size(); ++i) {
      std::smatch store;
      if (!std::regex_search(code[i], store, kStore)) continue;
      std::string statement = code[i];
      size_t last = i;
      while (!std::regex_search(code[last], kEnd) &&
             last + 1 < code.size() && last < i + kStatementLines) {
        statement += code[++last];
      }
      const bool is_cas = store.str(2).starts_with("compare");
      bool covered =
          !is_cas && statement.find("relaxed") != std::string::npos;
      for (size_t j = last; j <= last + kStepWithin && j < code.size(); ++j) {
        if (code[j] == "}") break;
        covered = covered || code[j].find("MPOOL_STEP") != std::string::npos;
      }
      if (covered || IsQuiet(source, i, last)) continue;
      out.push_back({source.path, i + 1,
                     "a store that others act on, and no step after it"});
    }
  }
  return out;
}

Findings ReadmeCommandsExist(const Tree& tree) {
  static const std::regex kCommand("\\./dev ([a-z]+)");
  static const std::regex kVerb("`mpool ([a-z]+)");
  static const std::regex kLink("\\]\\(([^)#:]+)(#[^)]*)?\\)");
  const Source* readme = Find(tree, "README.md");
  const Source* dev = Find(tree, "dev");
  if (readme == nullptr || dev == nullptr) {
    return {{"README.md", 1, "README.md or dev is missing"}};
  }
  const std::string script = Join(dev->lines);
  Findings out;
  const auto each = [&](const std::regex& pattern, auto&& check) {
    for (size_t i = 0; i < readme->lines.size(); ++i) {
      const std::string& line = readme->lines[i];
      for (std::sregex_iterator it(line.begin(), line.end(), pattern), end;
           it != end; ++it) {
        check(i + 1, it->str(1));
      }
    }
  };
  each(kCommand, [&](size_t line, const std::string& verb) {
    const std::regex label("\\n  ([a-z]+ \\| )*" + verb + "( \\| [^)]*)?\\) ");
    if (std::regex_search(script, label)) return;
    out.push_back({"README.md", line, "no such command: ./dev " + verb});
  });
  each(kVerb, [&](size_t line, const std::string& verb) {
    const Source* file = Find(tree, "tools/verbs/" + verb + ".cc");
    const std::string name = ".name = \"" + verb + "\"";
    if (file != nullptr &&
        Join(file->statements).find(name) != std::string::npos) {
      return;
    }
    out.push_back({"README.md", line, "no such command: mpool " + verb});
  });
  each(kLink, [&](size_t line, const std::string& path) {
    if (path.ends_with(".svg") || path == "LICENSE" || path == "NOTICE") return;
    if (Exists(tree, path)) return;
    out.push_back({"README.md", line, "link leads nowhere: " + path});
  });
  return out;
}

Findings ReadmeProgramIsTheExample(const Tree& tree) {
  const Source* readme = Find(tree, "README.md");
  const Source* hello = Find(tree, "examples/hello.cc");
  if (readme == nullptr || hello == nullptr) {
    return {{"README.md", 1, "README.md or examples/hello.cc is missing"}};
  }
  const std::string shown = Between(*readme, "```cpp", "```");
  const std::string real =
      Between(*hello, "// [readme begins]", "// [readme ends]");
  if (!real.empty() && shown == real) return {};
  return {{"README.md", 1,
           "the program differs from examples/hello.cc; it must be:\n" + real}};
}

Findings MutantsCanBePlanted(const Tree& tree) {
  constexpr std::string_view kList = "tests/mutants/list";
  const Source* list = Find(tree, kList);
  if (list == nullptr) return {{std::string(kList), 1, "it is missing"}};
  Findings findings;
  const Source* file = nullptr;
  std::string old;
  for (size_t i = 0; i < list->lines.size(); ++i) {
    const std::string& line = list->lines[i];
    if (line.starts_with("in ")) {
      file = Find(tree, line.substr(3));
      old.clear();
    } else if (line.starts_with("- ")) {
      old += (old.empty() ? "" : "\n") + line.substr(2);
    } else if (line.starts_with("by ")) {
      const std::string text = file == nullptr ? "" : Join(file->lines);
      const size_t first = text.find(old);
      if (first == std::string::npos ||
          text.find(old, first + 1) != std::string::npos) {
        findings.push_back({std::string(kList), i + 1,
                            "its text must stand at one place of its file"});
      }
    }
  }
  return findings;
}

}  // namespace mpool::tidy
