// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// footprint.h - what a call may leave behind: descriptors, mappings, files and
// segments.

#ifndef MPOOL_TESTS_SUPPORT_FOOTPRINT_H_
#define MPOOL_TESTS_SUPPORT_FOOTPRINT_H_

#include <string>
#include <vector>

namespace mpool::test {

// One line for each: open descriptors and mapped files of this process, names
// in the home and in /dev/shm, and System V segments. Two are equal if nothing
// came and nothing went. Memory of malloc is not in it.
std::vector<std::string> FootprintOf(const std::string& home);

}  // namespace mpool::test

#endif  // MPOOL_TESTS_SUPPORT_FOOTPRINT_H_
