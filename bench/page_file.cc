// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "bench/page_file.h"

#include <stdlib.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <numeric>
#include <random>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "mpool/env.h"
#include "os/file.h"
#include "os/status.h"

namespace mpool::bench {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kSeed = 20260101;

// Returns a random number below `limit`. Avoids the library's distribution,
// which may differ between machines.
uint64_t Below(uint64_t limit, std::mt19937_64* random) {
  return ((*random)() >> 32) * limit >> 32;
}

// Returns the first word of a page.
uint64_t WordOf(uint64_t page) { return page * 2 + 1; }

// Makes a directory. Other letters replace the last six of its name.
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

Sequence::Sequence(std::vector<uint32_t> list) : pages(std::move(list)) {
  for (const uint32_t page : pages) sum += WordOf(page);
}

absl::Status EnsurePages(const std::string& path, uint64_t page_count) {
  MPOOL_ASSIGN_OR_RETURN(const os::File file,
                         os::File::Open(path, {.create = true}));
  MPOOL_ASSIGN_OR_RETURN(const os::FileInfo info, file.Info());
  if (info.size_bytes == page_count * kPageBytes) return absl::OkStatus();
  constexpr uint64_t kBatch = 256;
  std::vector<std::byte> batch(kBatch * kPageBytes);
  for (uint64_t first = 0; first < page_count; first += kBatch) {
    const uint64_t count = std::min(kBatch, page_count - first);
    for (uint64_t i = 0; i < count; ++i) {
      const uint64_t word = WordOf(first + i);
      std::memcpy(&batch[i * kPageBytes], &word, sizeof(word));
    }
    MPOOL_RETURN_IF_ERROR(file.WriteAt(
        first * kPageBytes, os::ConstBytes(batch).first(count * kPageBytes)));
  }
  // So that the disk is idle during the measurement.
  return file.Sync();
}

absl::Status MakeSparse(const std::string& path, uint64_t page_count) {
  MPOOL_ASSIGN_OR_RETURN(const os::File file,
                         os::File::Open(path, {.create = true}));
  return file.Resize(page_count * kPageBytes);
}

std::vector<uint32_t> UniformPages(size_t length, uint64_t page_count) {
  std::mt19937_64 random(kSeed);
  std::vector<uint32_t> pages(length);
  for (uint32_t& page : pages) {
    page = static_cast<uint32_t>(Below(page_count, &random));
  }
  return pages;
}

std::vector<uint32_t> ShuffledPages(uint64_t page_count) {
  std::mt19937_64 random(kSeed);
  std::vector<uint32_t> pages(page_count);
  std::iota(pages.begin(), pages.end(), 0u);
  for (size_t i = pages.size(); i > 1; --i) {
    std::swap(pages[i - 1], pages[Below(i, &random)]);
  }
  return pages;
}

absl::StatusOr<std::string> MakeScratch() {
  const char* const chosen = ::secure_getenv("TMPDIR");
  const std::string parent =
      fs::absolute(chosen == nullptr || *chosen == 0 ? "/tmp" : chosen)
          .string();
  return MakeDirectory(absl::StrCat(parent, "/mpool-bench-XXXXXX"));
}

absl::StatusOr<std::string> MakeHome(const std::string& scratch) {
  return MakeDirectory(absl::StrCat(scratch, "/home-XXXXXX"));
}

absl::Status RemoveHome(const std::string& home) {
  MPOOL_RETURN_IF_ERROR(DbEnv::Remove(home, /*force=*/true));
  return RemoveTree(home);
}

absl::Status RemoveScratch(const std::string& scratch) {
  absl::Status result;
  std::error_code error;
  for (const fs::directory_entry& entry :
       fs::directory_iterator(scratch, error)) {
    if (!entry.is_directory(error)) continue;
    result.Update(DbEnv::Remove(entry.path().string(), /*force=*/true));
  }
  result.Update(RemoveTree(scratch));
  return result;
}

}  // namespace mpool::bench
