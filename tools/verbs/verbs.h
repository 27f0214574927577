// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// verbs.h - the verbs of the command. Each verb gets the words after its name
// and returns rows.

#ifndef MPOOL_TOOLS_VERBS_VERBS_H_
#define MPOOL_TOOLS_VERBS_VERBS_H_

#include <ostream>
#include <span>
#include <string>

#include "tools/verbs/outcome.h"

namespace mpool::tools {

struct VerbContext {
  Terminal terminal;
  std::ostream& err;  // only for progress
};

using Verb = Outcome (*)(std::span<const std::string> words,
                         const VerbContext& context);

Outcome ReplayVerb(std::span<const std::string> words,
                   const VerbContext& context);
Outcome SimulateVerb(std::span<const std::string> words,
                     const VerbContext& context);
Outcome StatVerb(std::span<const std::string> words,
                 const VerbContext& context);
Outcome HoldersVerb(std::span<const std::string> words,
                    const VerbContext& context);
Outcome ResizeVerb(std::span<const std::string> words,
                   const VerbContext& context);
Outcome RemoveVerb(std::span<const std::string> words,
                   const VerbContext& context);

}  // namespace mpool::tools

#endif  // MPOOL_TOOLS_VERBS_VERBS_H_
