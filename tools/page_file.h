// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// page_file.h - where a replay keeps its environment, and the page file that
// it replays on.

#ifndef MPOOL_TOOLS_PAGE_FILE_H_
#define MPOOL_TOOLS_PAGE_FILE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace mpool::tools {

// A directory for an environment. One that it made itself goes, with all that
// is in it, when this is destroyed.
class ReplayHome {
 public:
  // An empty `given` makes a directory below $TMPDIR, or /tmp. A given one
  // must exist and must hold no environment.
  static absl::StatusOr<std::unique_ptr<ReplayHome>> Make(
      const std::string& given);

  ReplayHome(const ReplayHome&) = delete;
  ReplayHome& operator=(const ReplayHome&) = delete;
  // Removes the environment, what is dirty in it too.
  ~ReplayHome();

  const std::string& path() const { return path_; }

 private:
  ReplayHome(std::string path, bool is_own)
      : path_(std::move(path)), is_own_(is_own) {}

  std::string path_;
  bool is_own_;
};

// The page file of one trace; it is removed when this is destroyed.
class PageFile {
 public:
  struct Shape {
    std::string name;  // of the file, without a directory
    uint64_t page_count = 0;
    uint32_t page_size = 4096;
    // Every page is written with its content at version 0; else the file is
    // one hole.
    bool self_describing = false;
  };

  // Fails if the file is there already.
  static absl::StatusOr<std::unique_ptr<PageFile>> Make(
      const std::string& directory, const Shape& shape);

  PageFile(const PageFile&) = delete;
  PageFile& operator=(const PageFile&) = delete;
  ~PageFile();

  const Shape& shape() const { return shape_; }
  uint64_t file_hash() const { return file_hash_; }

  // Brings every page back to version 0.
  absl::Status Rewrite() const;

  // Reads every page with plain pread and compares it with the version that
  // `version_of` gives. Calls `on_wrong` for each page that is wrong.
  // REQUIRES: the file is self-describing.
  absl::Status CheckAll(
      const std::function<uint32_t(uint64_t page)>& version_of,
      const std::function<void(uint64_t page, const std::string& why)>&
          on_wrong) const;

 private:
  PageFile(std::string path, int fd, Shape shape);

  std::string path_;
  int fd_;
  Shape shape_;
  uint64_t file_hash_;
};

}  // namespace mpool::tools

#endif  // MPOOL_TOOLS_PAGE_FILE_H_
