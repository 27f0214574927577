// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// names.h - the names of policies and backings on the command line, in tables
// and in JSON.

#ifndef MPOOL_TOOLS_REPORT_NAMES_H_
#define MPOOL_TOOLS_REPORT_NAMES_H_

#include <array>
#include <string_view>

#include "mpool/types.h"
#include "tools/trace/simulator.h"

namespace mpool::tools {

// The valid names.
inline constexpr std::array<std::string_view, 2> kPolicyNames = {"lru",
                                                                 "clock"};
inline constexpr std::array<std::string_view, 3> kSimulatedPolicyNames = {
    "lru", "clock", "opt"};
// In the order of Backing.
inline constexpr std::array<std::string_view, 7> kBackingNames = {
    "posix-shm", "file", "sysv", "anonymous", "dev-zero", "heap",
    "sysv-private"};

// REQUIRES: `name` is one of the names above.
Policy PolicyOf(std::string_view name);
SimulatedPolicy SimulatedPolicyOf(std::string_view name);
Backing BackingOf(std::string_view name);

std::string_view NameOf(Policy policy);
std::string_view NameOf(Backing backing);
std::string_view NameOf(Origin origin);

}  // namespace mpool::tools

#endif  // MPOOL_TOOLS_REPORT_NAMES_H_
