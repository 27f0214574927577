// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "os/mappers.h"

#include <errno.h>
#include <sys/sysmacros.h>

#include <cinttypes>
#include <cstdio>
#include <filesystem>
#include <set>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "os/process.h"
#include "os/status.h"

namespace mpool::os {
namespace {

using Key = std::pair<uint64_t, uint64_t>;  // device and inode

// No file has this device number.
constexpr uint64_t kSysVDevice = ~uint64_t{0};
// System V memory has this name in /proc/PID/maps, and its id as the inode.
constexpr absl::string_view kSysVName = "/SYSV";

// Returns the files in the text of /proc/PID/maps.
std::set<Key> FilesIn(const std::string& maps) {
  std::set<Key> files;
  for (const absl::string_view line : absl::StrSplit(maps, '\n')) {
    unsigned high = 0;
    unsigned low = 0;
    uint64_t inode = 0;
    if (std::sscanf(std::string(line).c_str(), "%*s %*s %*s %x:%x %" SCNu64,
                    &high, &low, &inode) == 3) {
      // The first id of System V memory is 0.
      const bool is_sysv = absl::StrContains(line, kSysVName);
      files.insert({is_sysv ? kSysVDevice : makedev(high, low), inode});
    }
  }
  return files;
}

bool HasEnded(const absl::Status& status) {
  const int error = StatusErrno(status);
  return error == ENOENT || error == ESRCH;
}

}  // namespace

FileIdentity SysVFile(int id) {
  return {.device = kSysVDevice, .inode = static_cast<uint64_t>(id)};
}

MapperCounts CountMappers(std::span<const FileIdentity> files) {
  MapperCounts counts;
  counts.processes.assign(files.size(), 0);
  // A /proc that hides processes hides process 1 from all users except root.
  bool saw_first = false;
  std::error_code error;
  for (std::filesystem::directory_iterator at("/proc", error), end;
       !error && at != end; at.increment(error)) {
    const std::string pid = at->path().filename().string();
    if (pid.find_first_not_of("0123456789") != pid.npos) continue;
    const std::string path = absl::StrCat("/proc/", pid, "/maps");
    const absl::StatusOr<std::string> maps = ReadToEnd(path);
    if (!maps.ok()) {
      if (!HasEnded(maps.status())) counts.hidden = path;
      continue;
    }
    if (pid == "1") saw_first = true;
    const std::set<Key> mapped = FilesIn(*maps);
    for (size_t i = 0; i < files.size(); ++i) {
      counts.processes[i] +=
          mapped.count({files[i].device, files[i].inode});
    }
  }
  if (counts.hidden.empty() && (error || !saw_first)) counts.hidden = "/proc";
  return counts;
}

}  // namespace mpool::os
