// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// trace.h - a page reference trace in memory.
//
// The file is ASCII, plain or gzip'd. A line that starts with '#' is a
// comment; every other line is "<page>" (a get of that page, decimal, below
// 2^64) or "<page> w" (a get that dirties the page).

#ifndef MPOOL_TOOLS_TRACE_TRACE_H_
#define MPOOL_TOOLS_TRACE_TRACE_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace mpool::tools {

// Pages are renumbered by the rank of their sorted ids: 0 is the smallest.
struct Trace {
  std::string name;
  std::vector<uint32_t> pages;  // one rank per reference
  std::vector<bool> dirties;    // one per reference
  uint64_t page_count = 0;      // distinct pages
  uint64_t dirty_count = 0;     // references that dirty their page
};

// Reads a trace. Returns NotFound if the file does not exist. Returns DataLoss,
// with file and line, if the file is truncated, damaged, malformed or empty.
absl::StatusOr<Trace> ReadTrace(const std::string& path);

// Reads all traces. Returns the first error.
absl::StatusOr<std::vector<Trace>> ReadTraces(
    const std::vector<std::string>& paths);

// Returns the file name without its directory, ".gz", ".pt" and ".txt".
std::string TraceName(std::string_view path);

}  // namespace mpool::tools

#endif  // MPOOL_TOOLS_TRACE_TRACE_H_
