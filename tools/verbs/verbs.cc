// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "tools/verbs/verbs.h"

namespace mpool::tools {
namespace {

constexpr const VerbSpec* kVerbs[] = {
#define MPOOL_VERB(spec) &spec,
#include "tools/verbs/verbs.def"
#undef MPOOL_VERB
};

}  // namespace

std::span<const VerbSpec* const> AllVerbs() { return kVerbs; }

const VerbSpec* FindVerb(std::string_view name) {
  for (const VerbSpec* const verb : kVerbs) {
    if (verb->name == name) return verb;
  }
  return nullptr;
}

}  // namespace mpool::tools
