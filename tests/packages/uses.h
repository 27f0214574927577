// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// uses.h - the headers, packages and programs that the project's files name.

#ifndef MPOOL_TESTS_PACKAGES_USES_H_
#define MPOOL_TESTS_PACKAGES_USES_H_

#include <cstddef>
#include <string>
#include <vector>

#include "tests/tidy/source.h"

namespace mpool::packages {

enum class Kind {
  kHeader,   // of an #include
  kPackage,  // of find_package
  kTarget,   // imported, such as GTest::gmock
  kModule,   // of pkg-config
  kLibrary,  // of find_library
  kFile,     // a path that CMake found
  kProgram,
};

struct Use {
  std::string file;
  size_t line;  // from 1
  Kind kind;
  std::string name;
};
using Uses = std::vector<Use>;
using Tree = std::vector<tidy::Source>;

// Returns the headers that are not the project's.
Uses HeadersOf(const Tree& tree);
// Returns the programs that C++ code runs: the absolute paths of programs, and
// the commands in the first string of a call of system, popen, execlp and the
// like. A function of the tree that calls one of these counts like them.
Uses ProgramsOfCpp(const Tree& tree);
// Returns all names in CMake code, and the generator of the presets.
Uses UsesOfCMake(const Tree& tree);
// Returns the compilers of the presets.
Uses CompilersOfPresets(const Tree& tree);
// Returns the programs that scripts run.
Uses ProgramsOfScripts(const Tree& tree);

// Returns the paths under /usr that the build in `build` found, except CMake's
// own tools, and the pkg-config modules that its mpool.pc names.
Uses FoundByBuild(const std::string& build);

// Returns the files of the project that begin with "#!". tidy::LoadTree leaves
// out most of them.
Tree LoadScripts(const std::string& root);

}  // namespace mpool::packages

#endif  // MPOOL_TESTS_PACKAGES_USES_H_
