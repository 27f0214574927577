// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "tests/support/temp_home.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mpool/env.h"
#include "os/backing/segment.h"
#include "os/directory.h"
#include "os/file.h"
#include "os/status.h"
#include "tests/support/leftovers.h"

namespace mpool::test {
namespace {

namespace fs = std::filesystem;

using ::testing::AnyOf;
using ::testing::Contains;
using ::testing::Not;

constexpr char kShmDirectory[] = "/dev/shm/";
constexpr size_t kCreationDigits = 16;

void Require(bool done, const std::string& what) {
  if (done) return;
  std::perror(what.c_str());
  std::abort();
}

// Closes itself.
class Fd {
 public:
  Fd(const std::string& path, int flags)
      : fd_(::open(path.c_str(), flags | O_CLOEXEC, 0644)) {
    Require(fd_ >= 0, path);
  }
  ~Fd() { ::close(fd_); }
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  int fd() const { return fd_; }

 private:
  int fd_;
};

}  // namespace

TempHome::TempHome() : path_(os::NewTempDirectory()) {}

TempHome::~TempHome() {
  const auto dir = os::File::OpenDirectory(path_);
  // This fails if the test's own process is still attached or damaged the home.
  if (DbEnv::Remove(path_, /*force=*/true).ok() && dir.ok()) {
    EXPECT_THAT(FilesIn(path_),
                Not(Contains(AnyOf("__db.001", "__db.001.new", "__db.002",
                                   "__db.register"))));
    EXPECT_FALSE(os::HasStrayMappings(*dir)) << path_;
  }
  if (dir.ok()) os::RemoveStrayMappings(*dir).IgnoreError();
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

std::string TempHome::Below(std::string_view name) const {
  return absl::StrCat(path_, "/", os::Abs(name));
}

std::vector<std::string> FilesIn(const std::string& directory) {
  std::vector<std::string> names;
  std::error_code error;
  for (const fs::directory_entry& entry :
       fs::directory_iterator(directory, error)) {
    names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::vector<std::string> SegmentsOf(const std::string& home) {
  const auto dir = os::File::OpenDirectory(home);
  if (!dir.ok()) return {};
  std::string prefix =
      os::MappingName(Backing::kPosixShm, dir->Info()->identity, 0).substr(1);
  prefix.resize(prefix.size() - kCreationDigits);
  std::vector<std::string> names = FilesIn(kShmDirectory);
  std::erase_if(names, [&](const std::string& name) {
    return !name.starts_with(prefix);
  });
  return names;
}

std::vector<std::string> AllOf(const std::string& home) {
  std::vector<std::string> names = FilesIn(home);
  for (const std::string& segment : SegmentsOf(home)) {
    names.push_back(kShmDirectory + segment);
  }
  // The other memory of a home has no name in /dev/shm, or is listed above.
  const auto dir = os::File::OpenDirectory(home);
  if (dir.ok() && os::HasStrayMappings(*dir) && SegmentsOf(home).empty() &&
      !os::InfoAt(*dir, "__db.002").ok()) {
    names.push_back("System V memory");
  }
  return names;
}

std::vector<std::string> WithoutIds(std::vector<std::string> names) {
  for (std::string& name : names) {
    if (name.starts_with(kShmDirectory)) name = kShmDirectory;
  }
  return names;
}

std::string BytesOf(const std::string& path) {
  const Fd file(path, O_RDONLY);
  return BytesOf(path, 0, static_cast<size_t>(::lseek(file.fd(), 0, SEEK_END)));
}

std::string BytesOf(const std::string& path, uint64_t offset, size_t size) {
  const Fd file(path, O_RDONLY);
  std::string bytes(size, '\0');
  size_t done = 0;
  while (done < size) {
    const ssize_t got = ::pread(file.fd(), bytes.data() + done, size - done,
                                static_cast<off_t>(offset + done));
    Require(got >= 0, path);
    if (got == 0) break;
    done += static_cast<size_t>(got);
  }
  bytes.resize(done);
  return bytes;
}

void Overwrite(const std::string& path, uint64_t offset,
               std::string_view bytes) {
  const Fd file(path, O_RDWR);
  Require(::pwrite(file.fd(), bytes.data(), bytes.size(),
                   static_cast<off_t>(offset)) ==
              static_cast<ssize_t>(bytes.size()),
          path);
}

void SetSize(const std::string& path, uint64_t size_bytes) {
  const Fd file(path, O_RDWR);
  Require(::ftruncate(file.fd(), static_cast<off_t>(size_bytes)) == 0, path);
}

void MakeFile(const std::string& path, std::string_view bytes) {
  ::unlink(path.c_str());
  { const Fd file(path, O_RDWR | O_CREAT | O_EXCL); }
  Overwrite(path, 0, bytes);
}

}  // namespace mpool::test
