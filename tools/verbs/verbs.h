// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// verbs.h - all verbs of the command.

#ifndef MPOOL_TOOLS_VERBS_VERBS_H_
#define MPOOL_TOOLS_VERBS_VERBS_H_

#include <span>
#include <string_view>

#include "tools/verbs/verb.h"

namespace mpool::tools {

#define MPOOL_VERB(spec) extern const VerbSpec spec;
#include "tools/verbs/verbs.def"
#undef MPOOL_VERB

// Returns all verbs, in the order of the help.
std::span<const VerbSpec* const> AllVerbs();

// Returns the verb that has `name`; null if there is none.
const VerbSpec* FindVerb(std::string_view name);

}  // namespace mpool::tools

#endif  // MPOOL_TOOLS_VERBS_VERBS_H_
