// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// temp_home.h - a home for an environment that goes away with all that belongs
// to it, and a look at what is in it.

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

// Names of the files in a directory, sorted.
std::vector<std::string> FilesIn(const std::string& directory);
// Names of the segments in /dev/shm that were made for a home, sorted.
std::vector<std::string> SegmentsOf(const std::string& home);
// Both; a segment as "/dev/shm/...". "System V memory" if there is such.
std::vector<std::string> AllOf(const std::string& home);
// What AllOf gives for the files of exactly one environment, whatever the
// segment is called.
std::vector<std::string> WithoutIds(std::vector<std::string> names);

// The bytes of a file, or of a part of it; shorter where the file ends.
std::string BytesOf(const std::string& path);
std::string BytesOf(const std::string& path, uint64_t offset, size_t size);
// Replaces a file's bytes from `offset` on; the rest stays.
void Overwrite(const std::string& path, uint64_t offset,
               std::string_view bytes);
void SetSize(const std::string& path, uint64_t size_bytes);
// A new file, or an old one made anew.
void MakeFile(const std::string& path, std::string_view bytes);

}  // namespace mpool::test

#endif  // MPOOL_TESTS_SUPPORT_TEMP_HOME_H_
