// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// verb.h - the specification of one verb of the command: syntax, help and
// function.

#ifndef MPOOL_TOOLS_VERBS_VERB_H_
#define MPOOL_TOOLS_VERBS_VERB_H_

#include <cstddef>
#include <ostream>
#include <span>
#include <string_view>

#include "tools/replay/progress.h"
#include "tools/verbs/option.h"
#include "tools/verbs/outcome.h"

namespace mpool::tools {

class Args;

struct VerbContext {
  Terminal terminal;
  std::ostream& err;  // only for progress
};

// The words after the verb that are no options.
struct OperandSpec {
  std::string_view names;  // in the help: "HOME BYTES"
  size_t least = 0;
  size_t most = 0;
  std::string_view advice;  // in the error for a wrong number of operands
};

struct VerbSpec {
  std::string_view name;
  OperandSpec operands;
  std::string_view summary;  // one line of the overview
  std::string_view help;     // lines of at most 78 columns; may be empty
  std::span<const OptionSpec> options;
  Outcome (*run)(const Args& args, const VerbContext& context);
};

}  // namespace mpool::tools

#endif  // MPOOL_TOOLS_VERBS_VERB_H_
