// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "bench/scratch.h"

#include <stdlib.h>

#include <cerrno>
#include <filesystem>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "mpool/env.h"
#include "os/status.h"

namespace mpool::bench {
namespace {

namespace fs = std::filesystem;

// mkdtemp replaces the last letters.
constexpr std::string_view kUnique = "XXXXXX";

absl::StatusOr<std::string> MakeDirectory(std::string path) {
  if (mkdtemp(path.data()) != nullptr) return path;
  return os::ErrnoToStatus(errno, "make directory", path,
                           "set TMPDIR to a directory with some free space");
}

absl::Status RemoveTree(const std::string& path) {
  std::error_code error;
  fs::remove_all(path, error);
  if (!error) return absl::OkStatus();
  return os::ErrnoToStatus(error.value(), "remove directory", path);
}

}  // namespace

absl::StatusOr<Scratch> Scratch::Create() {
  const char* const chosen = ::secure_getenv("TMPDIR");
  std::string path =
      fs::absolute(chosen == nullptr || *chosen == 0 ? "/tmp" : chosen)
          .string();
  absl::StrAppend(&path, "/mpool-bench-", os::Abs(kUnique));
  MPOOL_ASSIGN_OR_RETURN(path, MakeDirectory(std::move(path)));
  return Scratch(std::move(path));
}

absl::StatusOr<std::string> Scratch::NewHome(std::string_view name) const {
  return MakeDirectory(
      absl::StrCat(path_, "/", os::Abs(name), "-", os::Abs(kUnique)));
}

absl::Status Scratch::RemoveHome(const std::string& home) const {
  MPOOL_RETURN_IF_ERROR(DbEnv::Remove(home, /*force=*/true));
  return RemoveTree(home);
}

absl::Status Scratch::Remove() const {
  absl::Status result;
  std::error_code error;
  for (const fs::directory_entry& entry :
       fs::directory_iterator(path_, error)) {
    if (!entry.is_directory(error)) continue;
    result.Update(DbEnv::Remove(entry.path().string(), /*force=*/true));
  }
  result.Update(RemoveTree(path_));
  return result;
}

}  // namespace mpool::bench
