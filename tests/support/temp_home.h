// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// temp_home.h - a temporary home that is removed with everything in it, and
// functions that list its contents.

#ifndef MPOOL_TESTS_SUPPORT_TEMP_HOME_H_
#define MPOOL_TESTS_SUPPORT_TEMP_HOME_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace mpool::test {

class TempHome {
 public:
  TempHome();
  ~TempHome();
  TempHome(const TempHome&) = delete;
  TempHome& operator=(const TempHome&) = delete;

  const std::string& path() const { return path_; }
  std::string Below(std::string_view name) const;

 private:
  std::string path_;
};

// Returns the names of the files in a directory, sorted.
std::vector<std::string> FilesIn(const std::string& directory);
// Returns the names of the segments in /dev/shm for a home, sorted.
std::vector<std::string> SegmentsOf(const std::string& home);
// Returns both, with a segment as "/dev/shm/..." and "System V memory" if the
// home has any.
std::vector<std::string> AllOf(const std::string& home);
// Returns AllOf's result for the files of one environment without the name of
// the segment.
std::vector<std::string> WithoutIds(std::vector<std::string> names);

// Returns the bytes of a file, or of a part of it; fewer at the file's end.
std::string BytesOf(const std::string& path);
std::string BytesOf(const std::string& path, uint64_t offset, size_t size);
// Replaces a file's bytes from `offset` on. The other bytes stay.
void Overwrite(const std::string& path, uint64_t offset,
               std::string_view bytes);
void SetSize(const std::string& path, uint64_t size_bytes);
// Makes a new file, or replaces an existing file.
void MakeFile(const std::string& path, std::string_view bytes);

}  // namespace mpool::test

#endif  // MPOOL_TESTS_SUPPORT_TEMP_HOME_H_
