// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// page_file.h - the home of a replay's environment, and the page file of the
// replay.

#ifndef MPOOL_TOOLS_REPLAY_PAGE_FILE_H_
#define MPOOL_TOOLS_REPLAY_PAGE_FILE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace mpool::tools {

// A directory for an environment. The destructor removes a directory that Make
// created, with its content.
class ReplayHome {
 public:
  // Creates a directory below $TMPDIR or /tmp if `given` is empty. Otherwise
  // `given` must exist and must hold no environment.
  static absl::StatusOr<std::unique_ptr<ReplayHome>> Make(
      const std::string& given);

  ReplayHome(const ReplayHome&) = delete;
  ReplayHome& operator=(const ReplayHome&) = delete;
  // Removes the environment, dirty pages included.
  ~ReplayHome();

  const std::string& path() const { return path_; }

 private:
  ReplayHome(std::string path, bool is_own)
      : path_(std::move(path)), is_own_(is_own) {}

  std::string path_;
  bool is_own_;
};

// The page file of one trace. The destructor removes the file.
class PageFile {
 public:
  struct Shape {
    std::string name;  // of the file, without a directory
    uint64_t page_count = 0;
    uint32_t page_size = 4096;
    // True if every page is written with its content at version 0. Otherwise
    // the file is one hole.
    bool self_describing = false;
  };

  // Creates the file. Returns AlreadyExists if the file exists.
  static absl::StatusOr<std::unique_ptr<PageFile>> Make(
      const std::string& directory, const Shape& shape);

  PageFile(const PageFile&) = delete;
  PageFile& operator=(const PageFile&) = delete;
  ~PageFile();

  const Shape& shape() const { return shape_; }
  uint64_t file_hash() const { return file_hash_; }

  // Resets every page to version 0.
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

#endif  // MPOOL_TOOLS_REPLAY_PAGE_FILE_H_
