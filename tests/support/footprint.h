// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// footprint.h - the objects that a call may leave behind: descriptors,
// mappings, files and segments.

#ifndef MPOOL_TESTS_SUPPORT_FOOTPRINT_H_
#define MPOOL_TESTS_SUPPORT_FOOTPRINT_H_

#include <string>
#include <vector>

namespace mpool::test {

// Returns one line for each open descriptor and mapped file of this process,
// each name in the home and in /dev/shm, and each System V segment. Two
// footprints are equal if no object was added or removed. Memory of malloc is
// left out.
std::vector<std::string> FootprintOf(const std::string& home);

}  // namespace mpool::test

#endif  // MPOOL_TESTS_SUPPORT_FOOTPRINT_H_
