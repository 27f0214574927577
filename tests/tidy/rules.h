// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// rules.h - the project's style rules that a program can check.
//
// Each function takes the whole tree and returns the breaches of its rule. The
// checks read text, not syntax, so code can be written to evade them. They are
// right for all code that clang-format leaves in Google style.

#ifndef MPOOL_TESTS_TIDY_RULES_H_
#define MPOOL_TESTS_TIDY_RULES_H_

#include <cstddef>
#include <ostream>
#include <string>
#include <vector>

#include "tests/tidy/source.h"

namespace mpool::tidy {

struct Finding {
  std::string file;
  size_t line;  // from 1
  std::string rule;
};
using Findings = std::vector<Finding>;
using Tree = std::vector<Source>;

// Returns "file:line: rule" for each, so that an editor can jump there.
std::string Print(const Findings& findings);

inline constexpr size_t kMaxFileLines = 500;
inline constexpr size_t kMaxLineColumns = 80;
inline constexpr size_t kMaxFunctionLines = 70;
inline constexpr size_t kMaxVaguePerThousand = 2;  // words of a folder
inline constexpr size_t kMaxSentenceWords = 25;

// Form.
Findings FileLength(const Tree& tree);
Findings LineLength(const Tree& tree);  // lines with a URL are exempt
Findings FunctionLength(const Tree& tree);
Findings LicenceLine(const Tree& tree);
Findings HeaderGuard(const Tree& tree);
Findings NoGoto(const Tree& tree);
Findings NoOpenEnds(const Tree& tree);  // notes of unfinished work
// Tests that check nothing, or that are disabled.
Findings NoEmptyTests(const Tree& tree);

// A class of a header has at most 40 methods and 14 data members. Pool may have
// 20 methods and 30 data members because it only owns its parts. Region may
// have 25 methods. Constructors, destructors, deleted functions, static data
// and nested types do not count. Structs of shared memory (SHARED), of options
// and of statistics are exempt.
Findings ClassSize(const Tree& tree);
// Checks the headers of region/ and mpool/. A function with "REQUIRES:" in its
// comment has an assertion in a body, or its comment says "not checkable".
Findings PreconditionsAreChecked(const Tree& tree);

// Layers.
Findings IncludeDirection(const Tree& tree);
Findings PublicHeadersStandAlone(const Tree& tree);
// include/mpool/ and mpool/ are both included as "mpool/...".
Findings NoAmbiguousHeaders(const Tree& tree);
Findings NoSystemHeaders(const Tree& tree);
Findings NoSystemCalls(const Tree& tree);
Findings NoBackingNames(const Tree& tree);
// The library reads no environment variable. Programs ignore variables that the
// caller of a set-uid program has set.
Findings NoUnsafeGetenv(const Tree& tree);

// Steps are named "layer.verb.point", each in one place. The steps that tests
// name exist, because a test would never reach a missing step.
Findings StepNames(const Tree& tree);
Findings StepsInTestsExist(const Tree& tree);
// Checks the layers with stores that other processes act on. A store that is
// not relaxed must have a step, or a remark "no step:" with the reason. A
// process can be killed right after the store.
Findings StoresHaveSteps(const Tree& tree);

// Prose: comments, quoted text and documents (docs/style.md, section 1).
// Reports each folder with more than kMaxVaguePerThousand pronouns and phrases
// that name no subject.
Findings VaguePhrases(const Tree& tree);
Findings CommentStarts(const Tree& tree);
// Sentences of comments in public headers. Code blocks are exempt; each item of
// a list counts alone.
Findings SentenceLength(const Tree& tree);
// Files, folders, `Type::Function` and `Suite.Test` in backticks exist. Checks
// each README.md and docs/.
Findings DocumentsNameWhatExists(const Tree& tree);

// Text.
Findings ReadmeCommandsExist(const Tree& tree);
Findings ReadmeProgramIsTheExample(const Tree& tree);
// A mistake of tests/mutants/list replaces a text that occurs once in its file.
Findings MutantsCanBePlanted(const Tree& tree);

}  // namespace mpool::tidy

#endif  // MPOOL_TESTS_TIDY_RULES_H_
