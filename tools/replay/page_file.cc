// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "tools/replay/page_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <filesystem>
#include <span>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "mpool/env.h"
#include "os/status.h"
#include "tools/replay/page_content.h"

namespace mpool::tools {
namespace {

constexpr size_t kBatchBytes = 1 << 20;

absl::Status WriteAll(int fd, const std::string& path, uint64_t offset,
                      std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t wrote =
        pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) {
      return os::ErrnoToStatus(errno, "write page file", path,
                               "choose another directory with --home");
    }
    bytes = bytes.subspan(static_cast<size_t>(wrote));
    offset += static_cast<uint64_t>(wrote);
  }
  return absl::OkStatus();
}

// Returns the number of bytes read; fewer than requested only at the end of the
// file.
absl::StatusOr<size_t> ReadAll(int fd, const std::string& path, uint64_t offset,
                               std::span<std::byte> out) {
  size_t done = 0;
  while (done < out.size()) {
    const ssize_t got = pread(fd, out.data() + done, out.size() - done,
                              static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return os::ErrnoToStatus(errno, "read page file", path);
    if (got == 0) break;
    done += static_cast<size_t>(got);
  }
  return done;
}

absl::Status RefuseEnvironment(const std::string& home) {
  const absl::Status status = DbEnv::Inspect(home).status();
  if (absl::IsNotFound(status)) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      "replay: home ", home,
      " already holds an environment, which a replay would remove; give an "
      "empty directory"));
}

}  // namespace

absl::StatusOr<std::unique_ptr<ReplayHome>> ReplayHome::Make(
    const std::string& given) {
  if (!given.empty()) {
    struct stat info;
    if (stat(given.c_str(), &info) != 0) {
      return os::ErrnoToStatus(errno, "open home", given, "create it first");
    }
    if (!S_ISDIR(info.st_mode)) {
      return os::ErrnoToStatus(ENOTDIR, "open home", given);
    }
    MPOOL_RETURN_IF_ERROR(RefuseEnvironment(given));
    return std::unique_ptr<ReplayHome>(new ReplayHome(given, false));
  }
  const char* const base = ::secure_getenv("TMPDIR");
  std::string path = absl::StrCat(
      base != nullptr && *base != '\0' ? base : "/tmp", "/mpool-replay.XXXXXX");
  if (mkdtemp(path.data()) == nullptr) {
    return os::ErrnoToStatus(errno, "create a directory for the replay", path,
                             "set TMPDIR or give --home");
  }
  return std::unique_ptr<ReplayHome>(new ReplayHome(path, true));
}

ReplayHome::~ReplayHome() {
  DbEnv::Remove(path_, /*force=*/true).IgnoreError();
  if (is_own_) {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
}

PageFile::PageFile(std::string path, int fd, Shape shape)
    : path_(std::move(path)),
      fd_(fd),
      shape_(std::move(shape)),
      file_hash_(HashName(shape_.name)) {}

PageFile::~PageFile() {
  close(fd_);
  unlink(path_.c_str());
}

absl::StatusOr<std::unique_ptr<PageFile>> PageFile::Make(
    const std::string& directory, const Shape& shape) {
  const std::string path = absl::StrCat(directory, "/", shape.name);
  const int fd =
      open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) {
    return os::ErrnoToStatus(errno, "create page file", path,
                             "give an empty directory with --home");
  }
  std::unique_ptr<PageFile> file(new PageFile(path, fd, shape));
  const uint64_t size = shape.page_count * shape.page_size;
  if (ftruncate(fd, static_cast<off_t>(size)) != 0) {
    return os::ErrnoToStatus(errno, "set the size of page file", path,
                             "choose another directory with --home");
  }
  if (shape.self_describing) MPOOL_RETURN_IF_ERROR(file->Rewrite());
  return file;
}

absl::Status PageFile::Rewrite() const {
  const uint64_t batch_pages =
      std::max<uint64_t>(1, kBatchBytes / shape_.page_size);
  std::vector<std::byte> batch(batch_pages * shape_.page_size);
  for (uint64_t first = 0; first < shape_.page_count; first += batch_pages) {
    const uint64_t count = std::min(batch_pages, shape_.page_count - first);
    for (uint64_t i = 0; i < count; ++i) {
      FillPage(
          {file_hash_, first + i, 0},
          std::span(batch).subspan(i * shape_.page_size, shape_.page_size));
    }
    MPOOL_RETURN_IF_ERROR(
        WriteAll(fd_, path_, first * shape_.page_size,
                 std::span(batch).first(count * shape_.page_size)));
  }
  return absl::OkStatus();
}

absl::Status PageFile::CheckAll(
    const std::function<uint32_t(uint64_t page)>& version_of,
    const std::function<void(uint64_t page, const std::string& why)>& on_wrong)
    const {
  assert(shape_.self_describing);
  const uint64_t batch_pages =
      std::max<uint64_t>(1, kBatchBytes / shape_.page_size);
  std::vector<std::byte> batch(batch_pages * shape_.page_size);
  for (uint64_t first = 0; first < shape_.page_count; first += batch_pages) {
    const uint64_t count = std::min(batch_pages, shape_.page_count - first);
    MPOOL_ASSIGN_OR_RETURN(
        const size_t got,
        ReadAll(fd_, path_, first * shape_.page_size,
                std::span(batch).first(count * shape_.page_size)));
    for (uint64_t i = 0; i < count; ++i) {
      const uint64_t page = first + i;
      if ((i + 1) * shape_.page_size > got) {
        on_wrong(page, "it is beyond the end of the file");
        continue;
      }
      const std::string why = CheckPage(
          {file_hash_, page, version_of(page)},
          std::span(batch).subspan(i * shape_.page_size, shape_.page_size));
      if (!why.empty()) on_wrong(page, why);
    }
  }
  return absl::OkStatus();
}

}  // namespace mpool::tools
