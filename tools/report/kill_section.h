// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// kill_section.h - the part of a report about processes killed at work.

#ifndef MPOOL_TOOLS_REPORT_KILL_SECTION_H_
#define MPOOL_TOOLS_REPORT_KILL_SECTION_H_

#include <span>
#include <string>

#include "tools/report/rows.h"

namespace mpool::tools {

// Returns a <section> with a table of the kill scenes.
std::string KillSection(std::span<const Row> kills);

}  // namespace mpool::tools

#endif  // MPOOL_TOOLS_REPORT_KILL_SECTION_H_
