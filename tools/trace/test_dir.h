// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// test_dir.h - a directory for one test, with plain and gzip'd files in it.

#ifndef MPOOL_TOOLS_TRACE_TEST_DIR_H_
#define MPOOL_TOOLS_TRACE_TEST_DIR_H_

#include <zlib.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "gtest/gtest.h"
#include "tests/support/leftovers.h"

namespace mpool::tools {

class TestDir {
 public:
  TestDir() : path_(os::NewTempDirectory()) {}
  TestDir(const TestDir&) = delete;
  TestDir& operator=(const TestDir&) = delete;
  ~TestDir() { std::filesystem::remove_all(path_); }

  const std::string& path() const { return path_; }
  std::string File(const std::string& name) const { return path_ + "/" + name; }
  bool IsEmpty() const { return std::filesystem::is_empty(path_); }

  // Both create a file and return its path.
  std::string Write(const std::string& name, const std::string& bytes) const {
    std::ofstream(File(name), std::ios::binary) << bytes;
    return File(name);
  }
  std::string WriteGz(const std::string& name, const std::string& bytes) const {
    gzFile file = gzopen(File(name).c_str(), "wb");
    gzwrite(file, bytes.data(), static_cast<unsigned>(bytes.size()));
    gzclose(file);
    return File(name);
  }
  std::string Read(const std::string& name) const {
    std::ifstream file(File(name), std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(file), {});
  }

 private:
  std::string path_;
};

}  // namespace mpool::tools

#endif  // MPOOL_TOOLS_TRACE_TEST_DIR_H_
