// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// calls.h - which source files and folders call which, read from the symbols of
// their object files. Calls through virtual functions and callbacks do not
// count: no symbol of the callee appears in the caller.

#ifndef MPOOL_TESTS_TIDY_CALLS_H_
#define MPOOL_TESTS_TIDY_CALLS_H_

#include <map>
#include <set>
#include <string>
#include <vector>

namespace mpool::tidy {

// The symbols of an object file.
struct Symbols {
  std::set<std::string> defined;
  std::set<std::string> used;
};

// Returns the symbols in the output of `nm --portability`.
Symbols ParseSymbols(const std::string& nm_output);

// Maps each node to the nodes that it calls.
using Calls = std::map<std::string, std::set<std::string>>;

// Returns the calls between files. `objects` maps a source file to its symbols.
Calls CallsBetweenFiles(const std::map<std::string, Symbols>& objects);
// Returns the calls between the folders of the files.
Calls CallsBetweenFolders(const Calls& files);

// Returns one circle through each node that is in a circle, as
// "a -> b -> a".
std::vector<std::string> Circles(const Calls& calls);

}  // namespace mpool::tidy

#endif  // MPOOL_TESTS_TIDY_CALLS_H_
