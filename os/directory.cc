// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "os/directory.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>

#include <array>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "os/quote.h"
#include "os/retry.h"
#include "os/status.h"
#include "os/syscalls.h"

namespace mpool::os {

absl::Status RemoveError(int error, std::string_view path) {
  std::string_view advice;
  if (error == EPERM || error == EACCES) {
    advice = "remove it as its owner; it may be immutable (lsattr)";
  }
  return ErrnoToStatus(error, "remove", path, advice);
}

std::string PathBelow(const File& dir, std::string_view name) {
  if (name.starts_with('/')) return std::string(name);
  return absl::StrCat(dir.path(), "/", Abs(name));
}

absl::StatusOr<FileInfo> InfoAt(const File& dir, std::string_view name) {
  const std::string below(name);
  return ReadInfo(dir.fd(), below.c_str(), AT_SYMLINK_NOFOLLOW,
                  PathBelow(dir, name));
}

absl::Status UnlinkAt(const File& dir, std::string_view name) {
  const std::string below(name);
  if (RetryEintr([&] { return Sys().unlinkat(dir.fd(), below.c_str(), 0); }) ==
          0 ||
      errno == ENOENT) {
    return absl::OkStatus();
  }
  return RemoveError(errno, PathBelow(dir, name));
}

absl::Status RenameAt(const File& dir, std::string_view from,
                      std::string_view to) {
  const std::string old_name(from);
  const std::string new_name(to);
  if (RetryEintr([&] {
        return Sys().renameat(dir.fd(), old_name.c_str(), dir.fd(),
                              new_name.c_str());
      }) == 0) {
    return absl::OkStatus();
  }
  const int error = errno;
  // renameat2 without flags does the same.
  if (IsRefusal(error) &&
      RetryEintr([&] {
        return Sys().renameat2(dir.fd(), old_name.c_str(), dir.fd(),
                               new_name.c_str(), 0);
      }) == 0) {
    return absl::OkStatus();
  }
  return ErrnoToStatus(error, absl::StrCat("rename to ", Quoted(new_name)),
                       absl::StrCat(dir.path(), "/", old_name));
}

namespace {

// Returns the absolute `path` without ".", ".." and double slashes.
std::string WithoutDots(std::string_view path) {
  std::vector<absl::string_view> kept;
  for (const absl::string_view name :
       absl::StrSplit(Abs(path), '/', absl::SkipEmpty())) {
    if (name == "..") {
      if (!kept.empty()) kept.pop_back();
    } else if (name != ".") {
      kept.push_back(name);
    }
  }
  return absl::StrCat("/", absl::StrJoin(kept, "/"));
}

// True if both paths lead to the same file.
bool IsSameFile(const std::string& one, const std::string& two) {
  const absl::StatusOr<FileInfo> a = ReadInfo(AT_FDCWD, one.c_str(), 0, one);
  const absl::StatusOr<FileInfo> b = ReadInfo(AT_FDCWD, two.c_str(), 0, two);
  return a.ok() && b.ok() && a->identity == b->identity;
}

// Returns the first directory above `path` that this process may not search;
// empty if there is none.
std::string FirstClosed(const std::string& path) {
  for (size_t slash = path.find('/', 1); slash != std::string::npos;
       slash = path.find('/', slash + 1)) {
    const std::string above = path.substr(0, slash);
    const std::string inside = above + "/.";
    if (ReadInfo(AT_FDCWD, above.c_str(), 0, above).ok() &&
        !ReadInfo(AT_FDCWD, inside.c_str(), 0, inside).ok()) {
      return above;
    }
  }
  return "";
}

}  // namespace

absl::StatusOr<std::string> AbsolutePath(std::string_view path) {
  const std::string name(path);
  std::array<char, PATH_MAX> resolved;
  if (Sys().realpath(name.c_str(), resolved.data()) != nullptr) {
    return std::string(resolved.data());
  }
  const int error = errno;
  if (name.starts_with('/') && (error == EACCES || IsRefusal(error))) {
    std::string plain = WithoutDots(name);
    if (IsSameFile(plain, name)) return plain;
    const std::string closed = FirstClosed(name);
    if (!closed.empty()) {
      return ErrnoToStatus(
          error, "find the absolute path of", name,
          absl::StrCat("user ", Sys().geteuid(), " may not search directory ",
                       Quoted(closed),
                       "; give the right (chmod a+x, or setfacl for that "
                       "user), or use a directory elsewhere"));
    }
  }
  return ErrnoToStatus(error, "find the absolute path of", name,
                       error == ENAMETOOLONG ? "use shorter names" : "");
}

}  // namespace mpool::os
