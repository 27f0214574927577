// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// all_backings.h - all backings for parameterised tests, and the kernel's view
// of their memory.

#ifndef MPOOL_TESTS_SUPPORT_ALL_BACKINGS_H_
#define MPOOL_TESTS_SUPPORT_ALL_BACKINGS_H_

#include <algorithm>
#include <array>
#include <cinttypes>
#include <cstdio>
#include <fstream>
#include <initializer_list>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "os/backing/segment.h"
#include "os/backing/table.h"
#include "os/status.h"
#include "tests/support/system.h"

namespace mpool::os {

// Returns the kCount backings of the table that have one of the reaches.
template <size_t kCount>
constexpr std::array<Backing, kCount> BackingsOf(
    std::initializer_list<Reach> reaches) {
  std::array<Backing, kCount> backings{};
  size_t count = 0;
  for (const BackingRow& row : kBackingRows) {
    if (std::ranges::find(reaches, row.reach) != reaches.end()) {
      backings[count++] = row.backing;
    }
  }
  return backings;
}

constexpr size_t CountBackings(Reach reach) {
  return static_cast<size_t>(
      std::ranges::count(kBackingRows, reach, &BackingRow::reach));
}

// All backings, those that any process can join, those that forked children
// can use, and those that only forked children can use.
inline constexpr auto kAllBackings = BackingsOf<kBackingRows.size()>(
    {Reach::kOneProcess, Reach::kForkedChildren, Reach::kAnyProcess});
inline constexpr auto kSharedBackings =
    BackingsOf<CountBackings(Reach::kAnyProcess)>({Reach::kAnyProcess});
inline constexpr auto kUnnamedBackings =
    BackingsOf<CountBackings(Reach::kForkedChildren)>({Reach::kForkedChildren});
inline constexpr auto kForkedBackings =
    BackingsOf<kSharedBackings.size() + kUnnamedBackings.size()>(
        {Reach::kForkedChildren, Reach::kAnyProcess});

// Returns the name of the enumerator without its "k".
inline std::string BackingText(const ::testing::TestParamInfo<Backing>& param) {
  return std::string(FindBacking(param.param)->enumerator.substr(1));
}

// Returns the path of the file that is the segment's memory.
inline std::string SegmentFile(Backing backing, const std::string& home,
                               std::string_view segment) {
  const std::string_view directory = FindBacking(backing)->directory;
  return absl::StrCat(directory.empty() ? home : std::string(directory), "/",
                      Abs(segment.substr(segment.front() == '/' ? 1 : 0)));
}

inline std::string TestSegment(Backing backing, const File& dir) {
  if (backing == Backing::kSysV) {
    return MappingName(backing, dir.Info()->identity, 7);
  }
  return absl::StrCat(backing == Backing::kFile ? "" : "/", kOwnPrefix,
                      "segment");
}

// A line of /proc/sysvipc/shm, as ipcs -m shows it.
struct IpcsLine {
  uint32_t key = 0;
  int id = 0;
  uint32_t permissions = 0;  // plus 01000: marked, 02000: locked
  uint64_t size = 0;
  uint32_t attached = 0;
  uint64_t resident = 0;
};

inline std::vector<IpcsLine> Ipcs() {
  std::vector<IpcsLine> all;
  std::ifstream file("/proc/sysvipc/shm");
  for (std::string line; std::getline(file, line);) {
    IpcsLine one;
    int32_t key = 0;
    if (std::sscanf(line.c_str(),
                    "%d %d %o %" SCNu64
                    " %*s %*s %u %*s %*s %*s %*s %*s %*s %*s %" SCNu64,
                    &key, &one.id, &one.permissions, &one.size, &one.attached,
                    &one.resident) == 6) {
      one.key = static_cast<uint32_t>(key);
      all.push_back(one);
    }
  }
  return all;
}

// Returns the segment with the key at the start of `name`; key 0 if there is
// none.
inline IpcsLine IpcsOf(const std::string& name) {
  const auto key = static_cast<uint32_t>(std::stoul(name, nullptr, 16));
  for (const IpcsLine& one : Ipcs()) {
    if (one.key == key) return one;
  }
  return {};
}

// Returns a System V segment that this process has mapped; id -1 if there is
// none.
inline IpcsLine MappedSegment() {
  std::ifstream file("/proc/self/maps");
  for (std::string line; std::getline(file, line);) {
    int id = -1;
    if (line.find("/SYSV") == std::string::npos ||
        std::sscanf(line.c_str(), "%*s %*s %*s %*s %d", &id) != 1) {
      continue;
    }
    for (const IpcsLine& one : Ipcs()) {
      if (one.id == id) return one;
    }
  }
  return {.id = -1};
}

// Returns the line of /proc/self/maps that contains `address`.
inline std::string MapsLine(const void* address) {
  const auto wanted = reinterpret_cast<uintptr_t>(address);
  std::ifstream file("/proc/self/maps");
  for (std::string line; std::getline(file, line);) {
    uintptr_t first = 0;
    uintptr_t last = 0;
    if (std::sscanf(line.c_str(), "%" SCNxPTR "-%" SCNxPTR, &first, &last) ==
            2 &&
        first <= wanted && wanted < last) {
      return line;
    }
  }
  return "";
}

}  // namespace mpool::os

#endif  // MPOOL_TESTS_SUPPORT_ALL_BACKINGS_H_
