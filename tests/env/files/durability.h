// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// durability.h - counts the writes of each file and those that an fsync covers,
// for the tests of durability.

#ifndef MPOOL_TESTS_ENV_FILES_DURABILITY_H_
#define MPOOL_TESTS_ENV_FILES_DURABILITY_H_

#include <sys/stat.h>

#include <cerrno>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mpool/mpool.h"
#include "tests/support/child.h"
#include "tests/support/pages.h"
#include "tests/support/status_matchers.h"
#include "tests/support/system.h"
#include "tests/support/temp_home.h"

namespace mpool {

// The writes of each inode, and the number of them that a successful fsync
// covers.
struct Written {
  uint64_t writes = 0;
  uint64_t synced = 0;
};
inline std::map<ino_t, Written> written;
// False in tests in which fsync of thousands of files takes too long.
inline bool fsync_is_real = true;
// The errors of the next calls of fsync.
inline std::vector<int> fsync_errors;

inline Written* Of(int fd) {
  struct stat info = {};
  if (::fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) return nullptr;
  return &written[info.st_ino];
}

inline int CountedFsync(int fd) {
  if (!fsync_errors.empty()) {
    errno = fsync_errors.front();
    fsync_errors.erase(fsync_errors.begin());
    if (errno != 0) return -1;
  }
  Written* file = Of(fd);
  const uint64_t writes = file == nullptr ? 0 : file->writes;
  const int result = fsync_is_real ? os::RealSyscalls().fsync(fd) : 0;
  if (result == 0 && file != nullptr) file->synced = writes;
  return result;
}

inline ssize_t CountedWrite(int fd, const iovec* parts, int count,
                            off_t offset) {
  const ssize_t done = os::RealSyscalls().pwritev(fd, parts, count, offset);
  if (Written* file = Of(fd); file != nullptr && done > 0) ++file->writes;
  return done;
}

inline uint64_t Unsynced() {
  uint64_t count = 0;
  for (const auto& [inode, file] : written) {
    count += file.writes != file.synced ? 1 : 0;
  }
  return count;
}

inline int OpenDescriptors() {
  int count = 0;
  for (const auto& fd : std::filesystem::directory_iterator("/proc/self/fd")) {
    count += fd.path().empty() ? 0 : 1;
  }
  return count;
}

class DurabilityTest : public os::SyscallTest {
 protected:
  DurabilityTest() {
    written.clear();
    fsync_errors.clear();
    fsync_is_real = true;
    os::Sys().fsync = CountedFsync;
    os::Sys().pwritev = CountedWrite;
  }
  ~DurabilityTest() override { os::Sys() = os::RealSyscalls(); }

  std::unique_ptr<DbEnv> Open() {
    EnvOptions options = test::SmallEnv();
    options.on_event = [this](const Event& event) { events_.push_back(event); };
    return *DbEnv::Open(home_.path(), options);
  }
  static void PutAndClose(DbEnv& env, const std::string& name,
                          uint32_t page_size = 4096) {
    FileOptions options;
    options.create = true;
    options.page_size = page_size;
    auto file = *env.OpenFile(name, options);
    ASSERT_THAT(test::PutText(*file, 0, "put"), test::IsOk());
    ASSERT_THAT(file->Close(), test::IsOk());
  }
  // Puts a page of each of 100 files and keeps them open until told to end.
  std::string PutManyFiles(test::Channel& parent) {
    auto mine = Open();
    std::vector<std::unique_ptr<MPoolFile>> files;
    for (int i = 0; i < 100; ++i) {
      files.push_back(
          *mine->OpenFile(absl::StrCat("f", i), {.create = true}));
      EXPECT_THAT(test::PutText(*files.back(), 0, "put"), test::IsOk());
    }
    parent.Say("put");
    return parent.Hear();
  }
  auto FsyncFailed() {
    return test::Fails(absl::StatusCode::kDataLoss, "sync file");
  }

  test::TempHome home_;
  std::vector<Event> events_;
};

}  // namespace mpool

#endif  // MPOOL_TESTS_ENV_FILES_DURABILITY_H_
