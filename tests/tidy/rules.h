// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// rules.h - the rules of the house that a program can check.
//
// Each takes the whole tree and returns what breaks the rule, nothing else.
// The checks read text, not syntax: they may be fooled by somebody who wants
// to, and are wrong in no case that clang-format leaves as Google style.

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

// "file:line: rule" for each, so that an editor can jump there.
std::string Print(const Findings& findings);

inline constexpr size_t kMaxFileLines = 800;
inline constexpr size_t kMaxLineColumns = 80;
inline constexpr size_t kMaxFunctionLines = 70;

// Form.
Findings FileLength(const Tree& tree);
Findings LineLength(const Tree& tree);  // lines with a URL are exempt
Findings FunctionLength(const Tree& tree);
Findings LicenceLine(const Tree& tree);
Findings HeaderGuard(const Tree& tree);
Findings NoGoto(const Tree& tree);
Findings NoOpenEnds(const Tree& tree);  // notes of work that is not done
// Tests that pass without looking, or that are switched off.
Findings NoEmptyTests(const Tree& tree);

// Layers.
Findings IncludeDirection(const Tree& tree);
Findings PublicHeadersStandAlone(const Tree& tree);
// include/mpool/ and mpool/ are both reached as "mpool/...".
Findings NoAmbiguousHeaders(const Tree& tree);
Findings NoSystemHeaders(const Tree& tree);
Findings NoSystemCalls(const Tree& tree);
Findings NoBackingNames(const Tree& tree);
// The library reads no environment variable; programs read none that who calls
// a set-uid program could have set.
Findings NoUnsafeGetenv(const Tree& tree);

// Steps: "layer.verb.point", each at one place; and those that tests name
// exist, for a plan for a step that does not exist would never come true.
Findings StepNames(const Tree& tree);
Findings StepsInTestsExist(const Tree& tree);
// In the layers whose stores other processes act on: where one could be killed
// right after a store that is not relaxed, there is a step, or a remark
// "quiet:" that says why none is needed.
Findings StoresHaveSteps(const Tree& tree);

// Text.
Findings ReadmeCommandsExist(const Tree& tree);
Findings ReadmeProgramIsTheExample(const Tree& tree);
// A mistake of tests/mutants/list replaces a text that stands at one place of
// its file.
Findings MutantsCanBePlanted(const Tree& tree);

}  // namespace mpool::tidy

#endif  // MPOOL_TESTS_TIDY_RULES_H_
