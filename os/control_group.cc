// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "os/control_group.h"

#include <algorithm>
#include <limits>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "os/process.h"
#include "os/status.h"

namespace mpool::os {
namespace {

constexpr uint64_t kUnlimited = std::numeric_limits<uint64_t>::max();

// The files of a group, by version. Version 2 limits swap alone, version 1
// memory and swap together.
struct Version {
  std::string_view limit;
  std::string_view used;
  std::string_view swap_limit;
  std::string_view swap_used;
  bool is_swap_alone;
  // The lines of memory.stat that count the cache of files.
  std::string_view active_files;
  std::string_view inactive_files;
};
constexpr Version kOne = {"memory.limit_in_bytes",
                          "memory.usage_in_bytes",
                          "memory.memsw.limit_in_bytes",
                          "memory.memsw.usage_in_bytes",
                          false,
                          "total_active_file",
                          "total_inactive_file"};
constexpr Version kTwo = {"memory.max",
                          "memory.current",
                          "memory.swap.max",
                          "memory.swap.current",
                          true,
                          "active_file",
                          "inactive_file"};

// Returns the number in a file; kUnlimited for "max", nullopt without a number.
std::optional<uint64_t> ReadNumber(const std::string& group,
                                   std::string_view name) {
  const absl::StatusOr<std::string> text =
      ReadToEnd(absl::StrCat(group, "/", Abs(name)));
  if (!text.ok()) return std::nullopt;
  const absl::string_view word = absl::StripAsciiWhitespace(*text);
  if (word == "max") return kUnlimited;
  uint64_t number = 0;
  if (!absl::SimpleAtoi(word, &number)) return std::nullopt;
  return number;
}

// Returns the number in the line of that name; 0 if there is none.
uint64_t FindLine(const std::string& path, std::string_view name) {
  const absl::StatusOr<std::string> text = ReadToEnd(path);
  if (!text.ok()) return 0;
  for (const absl::string_view line : absl::StrSplit(*text, '\n')) {
    const std::vector<absl::string_view> words =
        absl::StrSplit(line, ' ', absl::SkipEmpty());
    uint64_t number = 0;
    if (words.size() >= 2 && words[0] == Abs(name) &&
        absl::SimpleAtoi(words[1], &number)) {
      return number;
    }
  }
  return 0;
}

uint64_t Less(uint64_t from, uint64_t bytes) {
  return from > bytes ? from - bytes : 0;
}

// Returns the bytes of swap that the group may still use.
uint64_t SwapLeft(const std::string& group, const Version& version,
                  uint64_t memory_left, uint64_t swap_free) {
  const auto limit = ReadNumber(group, version.swap_limit);
  const auto used = ReadNumber(group, version.swap_used);
  if (!limit.has_value() || !used.has_value()) return swap_free;
  const uint64_t left = Less(*limit, *used);
  return std::min(swap_free,
                  version.is_swap_alone ? left : Less(left, memory_left));
}

std::optional<GroupMemory> ReadGroup(const std::string& group,
                                     const Version& version,
                                     uint64_t swap_free) {
  const auto limit = ReadNumber(group, version.limit);
  const auto used = ReadNumber(group, version.used);
  // Version 1 shows "no limit" as the largest number of whole pages.
  constexpr uint64_t kNoLimit = uint64_t{1} << 62;
  if (!limit.has_value() || !used.has_value() || *limit >= kNoLimit) {
    return std::nullopt;
  }
  // The kernel drops the cache of files before it kills.
  const std::string stat = absl::StrCat(group, "/memory.stat");
  const uint64_t files = FindLine(stat, version.active_files) +
                         FindLine(stat, version.inactive_files);
  GroupMemory memory;
  memory.limit_bytes = *limit;
  memory.used_bytes = Less(*used, files);
  memory.left_bytes = Less(*limit, memory.used_bytes);
  memory.left_bytes += SwapLeft(group, version, Less(*limit, *used), swap_free);
  memory.limit_file = absl::StrCat(group, "/", Abs(version.limit));
  return memory;
}

// Reads the group at `path` below `mount`, and all its ancestors there.
void ReadAncestors(const std::string& mount, std::string path,
                   const Version& version, uint64_t swap_free,
                   std::optional<GroupMemory>* tightest) {
  // The path starts at another mount or namespace if it has no such directory
  // here. The groups above the container are out of sight then.
  if (path.find("..") != std::string::npos) path.clear();
  while (true) {
    while (path.ends_with('/')) path.pop_back();
    const auto memory =
        ReadGroup(absl::StrCat(mount, path), version, swap_free);
    if (memory.has_value() &&
        (!tightest->has_value() ||
         memory->left_bytes < (*tightest)->left_bytes)) {
      *tightest = memory;
    }
    if (path.empty()) return;
    path.resize(path.rfind('/') == std::string::npos ? 0 : path.rfind('/'));
  }
}

}  // namespace

std::optional<GroupMemory> TightestGroup(std::string_view root) {
  const std::string base(root);
  const absl::StatusOr<std::string> groups =
      ReadToEnd(absl::StrCat(base, "/proc/self/cgroup"));
  if (!groups.ok()) return std::nullopt;
  const uint64_t swap_free =
      FindLine(absl::StrCat(base, "/proc/meminfo"), "SwapFree:") * 1024;
  const std::string mount = absl::StrCat(base, "/sys/fs/cgroup");
  std::optional<GroupMemory> tightest;
  for (const absl::string_view line : absl::StrSplit(*groups, '\n')) {
    // "4:memory:/a/b" of version 1, "0::/a/b" of version 2.
    const std::vector<std::string> parts =
        absl::StrSplit(line, absl::MaxSplits(':', 2));
    if (parts.size() != 3) continue;
    if (parts[0] == "0" && parts[1].empty()) {
      ReadAncestors(mount, parts[2], kTwo, swap_free, &tightest);
      continue;
    }
    for (const absl::string_view controller : absl::StrSplit(parts[1], ',')) {
      if (controller != "memory") continue;
      ReadAncestors(absl::StrCat(mount, "/memory"), parts[2], kOne, swap_free,
                    &tightest);
    }
  }
  return tightest;
}

absl::Status CheckGroupMemory(uint64_t bytes, std::string_view root) {
  if (bytes == 0) return absl::OkStatus();
  const std::optional<GroupMemory> group = TightestGroup(root);
  if (!group.has_value() || bytes <= group->left_bytes) {
    return absl::OkStatus();
  }
  return absl::ResourceExhaustedError(absl::StrCat(
      "reserve memory: ", bytes, " bytes are needed, and the control group "
      "allows ", group->left_bytes, " more: ", group->limit_file, " is ",
      group->limit_bytes, ", of which ", group->used_bytes,
      " are in use; raise the limit (in a container --memory), or ask for a "
      "smaller cache"));
}

}  // namespace mpool::os
