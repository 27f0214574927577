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
Findings NoOpenEnds(const Tree& tree);  // notes of unfinished work
// Tests that check nothing, or that are disabled.
Findings NoEmptyTests(const Tree& tree);

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

// Text.
Findings ReadmeCommandsExist(const Tree& tree);
Findings ReadmeProgramIsTheExample(const Tree& tree);
// A mistake of tests/mutants/list replaces a text that occurs once in its file.
Findings MutantsCanBePlanted(const Tree& tree);

}  // namespace mpool::tidy

#endif  // MPOOL_TESTS_TIDY_RULES_H_
