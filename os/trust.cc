// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "os/trust.h"

#include <errno.h>
#include <sys/stat.h>

#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "os/directory.h"
#include "os/process.h"
#include "os/quote.h"
#include "os/status.h"
#include "os/syscalls.h"

namespace mpool::os {

absl::Status CheckDirectory(const File& dir) {
  MPOOL_ASSIGN_OR_RETURN(const FileInfo info, dir.Info());
  if ((info.mode & S_IWOTH) == 0 || (info.mode & S_ISVTX) != 0) {
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(absl::StrFormat(
      "use directory %s: everybody may write to it (mode %#o), and so replace "
      "the files of others; use a directory below it (mode 0700, or 2770 for "
      "a group), take the right away (chmod o-w) or set the sticky bit "
      "(chmod +t)",
      dir.path(), info.mode & 07777));
}

namespace {

bool IsSharedByGroup(const FileInfo& dir) {
  return (dir.mode & S_IWGRP) != 0 && (dir.mode & S_IWOTH) == 0;
}

// The users that an id represents. In a user namespace the overflow id
// (/proc/sys/kernel/overflowuid) represents all unmapped users. It may also be
// mapped to a user. kOnes: a single user. kOnesAndOthers: a mapped user and all
// unmapped users. kNobodys: unmapped users only.
enum class Number { kOnes, kOnesAndOthers, kNobodys };
Number WhoseIs(uint32_t id, const char* overflow, const char* map) {
  const absl::StatusOr<std::string> text = ReadToEnd(overflow);
  uint32_t shared = 0;
  if (!text.ok() || !absl::SimpleAtoi(*text, &shared) || id != shared) {
    return Number::kOnes;
  }
  const absl::StatusOr<std::string> ranges = ReadToEnd(map);
  if (!ranges.ok()) return Number::kOnes;
  uint64_t numbers = 0;
  bool has_owner = false;
  for (const absl::string_view line : absl::StrSplit(*ranges, '\n')) {
    const std::vector<absl::string_view> words =
        absl::StrSplit(line, ' ', absl::SkipEmpty());
    uint64_t first = 0;
    uint64_t count = 0;
    if (words.size() != 3 || !absl::SimpleAtoi(words[0], &first) ||
        !absl::SimpleAtoi(words[2], &count)) {
      continue;
    }
    numbers += count;
    has_owner = has_owner || (first <= id && id - first < count);
  }
  constexpr uint64_t kAll = 0xffffffff;
  if (numbers >= kAll) return Number::kOnes;
  return has_owner ? Number::kOnesAndOthers : Number::kNobodys;
}
Number WhoseIsUser(uint32_t id) {
  return WhoseIs(id, "/proc/sys/kernel/overflowuid", "/proc/self/uid_map");
}
Number WhoseIsGroup(uint32_t id) {
  return WhoseIs(id, "/proc/sys/kernel/overflowgid", "/proc/self/gid_map");
}

}  // namespace

bool IsTrusted(const FileInfo& dir, uint32_t user, uint32_t group) {
  constexpr uint32_t kRoot = 0;
  if (user == kRoot) return true;
  // A process that runs under the overflow id also accepts the unmapped users.
  if (user == Sys().geteuid()) return WhoseIsUser(user) != Number::kNobodys;
  if (user == dir.user) return WhoseIsUser(user) == Number::kOnes;
  return IsSharedByGroup(dir) && group == dir.group &&
         WhoseIsGroup(group) == Number::kOnes;
}

absl::Status NotTrusted(const FileInfo& dir, std::string_view path,
                        uint32_t user, uint32_t group) {
  return absl::FailedPreconditionError(absl::StrFormat(
      "use %s: it belongs to user %u, group %u; of an environment are only "
      "files of user %u, of root, or of its directory's owner, user %u (or of "
      "its group %u, where the mode lets that group write but not everybody); "
      "remove it if it is not yours, or share the directory by a group "
      "(chmod 2770)",
      Abs(path), user, group, Sys().geteuid(), dir.user, dir.group));
}

absl::Status CheckOwn(const FileInfo& dir, const FileInfo& file,
                      std::string_view path) {
  if (!file.is_regular) return NotRegular(path, file.mode);
  if (file.links > 1) {
    return absl::FailedPreconditionError(absl::StrCat(
        "use ", Abs(path), ": it has ", file.links - 1,
        " other names (hard links): it may be somebody's data; find them with "
        "find -samefile, and remove this name or the others"));
  }
  if (IsTrusted(dir, file.user, file.group)) return absl::OkStatus();
  return NotTrusted(dir, path, file.user, file.group);
}

namespace {

std::string UserName(uint32_t user) {
  return user == 0 ? "root" : absl::StrCat("user ", user);
}

}  // namespace

absl::Status ExplainDenied(const File& dir, std::string_view name,
                           const absl::Status& denied) {
  if (StatusErrno(denied) != EACCES) return denied;
  const std::string me = absl::StrCat("user ", Sys().geteuid());
  const absl::StatusOr<FileInfo> info = InfoAt(dir, name);
  if (!info.ok()) {
    const absl::StatusOr<FileInfo> home = dir.Info();
    if (StatusErrno(info.status()) != EACCES || !home.ok()) return denied;
    return ErrnoToStatus(
        EACCES, "open", PathBelow(dir, name),
        absl::StrFormat(
            "%s may not search the directory (it belongs to %s, mode %#o): "
            "give the right, or close the environment before the process "
            "gives up its rights (setuid), and open it again afterwards",
            me, UserName(home->user), home->mode & 07777));
  }
  const std::string owner = UserName(info->user);
  return ErrnoToStatus(
      EACCES, "open", PathBelow(dir, name),
      absl::StrFormat(
          "it belongs to %s (group %u, mode %#o), and %s may not read and "
          "write it: each process of an environment needs both rights, also to "
          "read pages. Remove the environment as %s ('mpool "
          "remove %s') so that %s can make it, give its files away (chown %u), "
          "or share the directory by a group (chmod 2770 and "
          "EnvOptions::mode = 0660)",
          owner, info->group, info->mode & 07777, me, owner, Quoted(dir.path()),
          me, Sys().geteuid()));
}

absl::StatusOr<File> OpenOwn(const File& dir, std::string_view name,
                             File::Mode mode) {
  absl::StatusOr<File> file = File::OpenAt(
      dir, name, {.mode = mode, .no_follow = true, .regular = true});
  if (!file.ok()) return ExplainDenied(dir, name, file.status());
  MPOOL_ASSIGN_OR_RETURN(const FileInfo info, file->Info());
  MPOOL_ASSIGN_OR_RETURN(const FileInfo dir_info, dir.Info());
  MPOOL_RETURN_IF_ERROR(CheckOwn(dir_info, info, file->path()));
  if ((info.mode & S_IWOTH) == 0) return file;
  return absl::FailedPreconditionError(absl::StrFormat(
      "use %s: everybody may write to it (mode %#o); take the right away "
      "(chmod o-w), if nobody has used it",
      file->path(), info.mode & 07777));
}

File::OpenOptions NewOwn(const FileInfo& dir, int permissions) {
  File::OpenOptions options = {.create = true,
                               .exclusive = true,
                               .no_follow = true,
                               .permissions = permissions,
                               .exact_permissions = true};
  if ((permissions & S_IRWXG) != 0 && IsSharedByGroup(dir)) {
    options.group = dir.group;
  }
  return options;
}

absl::Status RemoveOwn(const File& dir, std::string_view name) {
  const absl::StatusOr<FileInfo> info = InfoAt(dir, name);
  if (absl::IsNotFound(info.status())) return absl::OkStatus();
  MPOOL_RETURN_IF_ERROR(info.status());
  MPOOL_ASSIGN_OR_RETURN(const FileInfo dir_info, dir.Info());
  MPOOL_RETURN_IF_ERROR(CheckOwn(dir_info, *info, PathBelow(dir, name)));
  return UnlinkAt(dir, name);
}

}  // namespace mpool::os
