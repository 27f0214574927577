// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// help.h - the help texts, made from the specifications of the verbs.

#ifndef MPOOL_TOOLS_VERBS_HELP_H_
#define MPOOL_TOOLS_VERBS_HELP_H_

#include <span>
#include <string>

#include "tools/verbs/verb.h"

namespace mpool::tools {

// Returns the synopsis and summary of each verb, and the exit codes.
std::string DescribeVerbs(std::span<const VerbSpec* const> verbs);

// Returns the whole help of one verb.
std::string DescribeVerb(const VerbSpec& verb);

}  // namespace mpool::tools

#endif  // MPOOL_TOOLS_VERBS_HELP_H_
