// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// leftovers.h - directories for tests, and the memory of the environments in
// them. A test program fails if any of them are left when it ends.
//
// Each name begins with the prefix of the program that made it, also if a child
// of the program made it and was killed. A program that is killed itself leaves
// its directories and memory.

#ifndef MPOOL_TESTS_SUPPORT_LEFTOVERS_H_
#define MPOOL_TESTS_SUPPORT_LEFTOVERS_H_

#include <stdlib.h>
#include <unistd.h>

#include <filesystem>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "os/backing/segment.h"
#include "os/file.h"

namespace mpool::os {

// The prefix of the names of this program's directories and segments, in its
// children too. It contains a random number, because pids are reused.
inline const std::string kOwnPrefix = absl::StrCat(
    "mpool-test-", ::getpid(), "-", std::random_device()(), "-");

inline std::string NewTempDirectory() {
  std::string path = absl::StrCat(::testing::TempDir(), "/", kOwnPrefix,
                                  "XXXXXX");
  if (::mkdtemp(path.data()) == nullptr) std::abort();
  return std::filesystem::canonical(path).string();
}

// Removes all leftovers of this program and returns their paths.
// REQUIRES: no child is running.
inline std::vector<std::string> TakeLeftovers() {
  std::vector<std::string> left;
  for (const std::string& where : {::testing::TempDir(),
                                   std::string("/dev/shm")}) {
    std::error_code ignored;
    for (const auto& entry :
         std::filesystem::directory_iterator(where, ignored)) {
      const std::string name = entry.path().filename().string();
      if (name.starts_with(kOwnPrefix)) left.push_back(entry.path().string());
    }
  }
  for (const std::string& path : left) {
    const absl::StatusOr<File> dir = File::OpenDirectory(path);
    if (dir.ok()) RemoveStrayMappings(*dir).IgnoreError();
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }
  return left;
}

class NothingIsLeft : public ::testing::Environment {
 public:
  void TearDown() override {
    EXPECT_THAT(TakeLeftovers(), ::testing::IsEmpty());
  }
};
inline ::testing::Environment* const kNothingIsLeft =
    ::testing::AddGlobalTestEnvironment(new NothingIsLeft);

}  // namespace mpool::os

#endif  // MPOOL_TESTS_SUPPORT_LEFTOVERS_H_
