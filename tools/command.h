// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// command.h - the command line `mpool VERB ...`, except main().

#ifndef MPOOL_TOOLS_COMMAND_H_
#define MPOOL_TOOLS_COMMAND_H_

#include <ostream>
#include <span>
#include <string>

#include "tools/replay/progress.h"

namespace mpool::tools {

// Runs the verb that `words` names. Prints its rows to `out`, and messages and
// progress to `err`. Returns the exit code. `rich_out`: `out` may have bold
// text.
int RunCommand(std::span<const std::string> words, const Terminal& terminal,
               bool rich_out, std::ostream& out, std::ostream& err);

}  // namespace mpool::tools

#endif  // MPOOL_TOOLS_COMMAND_H_
