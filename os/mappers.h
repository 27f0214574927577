// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// mappers.h - counts the processes that map files, as /proc shows them.

#ifndef MPOOL_OS_MAPPERS_H_
#define MPOOL_OS_MAPPERS_H_

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "os/file_info.h"

namespace mpool::os {

// Returns the identity of System V memory in these functions.
FileIdentity SysVFile(int id);

struct MapperCounts {
  // The path of a file that hid a process of this PID namespace; empty if none
  // did.
  std::string hidden;
  // The number of processes for each file.
  std::vector<uint64_t> processes;
};

// Reads /proc/*/maps once. Processes of other PID namespaces are not counted.
MapperCounts CountMappers(std::span<const FileIdentity> files);

}  // namespace mpool::os

#endif  // MPOOL_OS_MAPPERS_H_
