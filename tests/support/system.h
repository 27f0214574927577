// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// system.h - common parts of the tests of os/: a replaced table of system
// calls, a temporary directory, and child processes.

#ifndef MPOOL_TESTS_SUPPORT_SYSTEM_H_
#define MPOOL_TESTS_SUPPORT_SYSTEM_H_

#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "os/backing/segment.h"
#include "os/file.h"
#include "os/futex.h"
#include "os/syscalls.h"
#include "tests/support/leftovers.h"

namespace mpool::os {

// Takes away the right to open a handle, so that no process can prove that a
// removed file is gone (file_handle.h). Restore the calls afterwards.
inline void ForbidHandles() {
  Sys().open_by_handle_at = [](int, struct file_handle*, int) {
    errno = EPERM;
    return -1;
  };
}

// Restores the real calls when a test ends.
class SyscallTest : public ::testing::Test {
 protected:
  ~SyscallTest() override { Sys() = RealSyscalls(); }
};

// A directory of this test program. Remove its environment before it.
class TempDir {
 public:
  TempDir() : path_(NewTempDirectory()) {
    dir_ = *File::OpenDirectory(path_);
  }
  ~TempDir() {
    EXPECT_FALSE(HasStrayMappings(dir_)) << path_ << " has memory that is left";
    std::filesystem::remove_all(path_);
  }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  const std::string& path() const { return path_; }
  const File& dir() const { return dir_; }
  std::string Below(const std::string& name) const {
    return path_ + "/" + name;
  }

 private:
  std::string path_;
  File dir_;
};

class ScopedUmask {
 public:
  explicit ScopedUmask(mode_t mask) : old_(::umask(mask)) {}
  ~ScopedUmask() { ::umask(old_); }
  ScopedUmask(const ScopedUmask&) = delete;
  ScopedUmask& operator=(const ScopedUmask&) = delete;

 private:
  mode_t old_;
};

// Zeroed memory that forked children share.
template <typename T>
class SharedMemory {
 public:
  SharedMemory()
      : memory_(
            static_cast<T*>(::mmap(nullptr, sizeof(T), PROT_READ | PROT_WRITE,
                                   MAP_SHARED | MAP_ANONYMOUS, -1, 0))) {}
  ~SharedMemory() { ::munmap(memory_, sizeof(T)); }
  SharedMemory(const SharedMemory&) = delete;
  SharedMemory& operator=(const SharedMemory&) = delete;

  T* operator->() const { return memory_; }

 private:
  T* memory_;
};

// Words for signals between processes, and text. Forked children share them.
class Shared {
 public:
  char* text() const { return board_->text; }
  static constexpr size_t kTextBytes = 1024;

  std::atomic<uint32_t>& word(size_t index) const {
    return board_->words[index];
  }

  void Set(size_t index, uint32_t value = 1) const {
    word(index).store(value);
    FutexWakeAll(&word(index));
  }
  // Waits until the word is not zero.
  void Await(size_t index) const {
    while (word(index).load() == 0) {
      FutexWait(&word(index), 0, absl::InfiniteDuration());
    }
  }

 private:
  struct Board {
    std::atomic<uint32_t> words[8];
    char text[kTextBytes];
  };
  SharedMemory<Board> board_;
};

// A forked process that runs `body`. It exits with 1 if an expectation failed,
// else with 0.
class Child {
 public:
  explicit Child(const std::function<void()>& body) : pid_(::fork()) {
    if (pid_ != 0) return;
    body();
    ::_exit(::testing::Test::HasFailure() ? 1 : 0);
  }
  ~Child() {
    if (pid_ > 0) Kill();
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  pid_t pid() const { return pid_; }
  // Returns the wait status.
  int Wait() {
    int status = 0;
    if (::waitpid(pid_, &status, 0) != pid_) std::abort();
    pid_ = -1;
    return status;
  }
  int Kill() {
    ::kill(pid_, SIGKILL);
    return Wait();
  }

 private:
  pid_t pid_;
};

// Runs `body` in a forked process. Returns the text that `body` returned, or
// how the process died.
inline std::string InChild(const std::function<std::string()>& body) {
  Shared shared;
  Child child([&] { body().copy(shared.text(), Shared::kTextBytes - 1); });
  const int status = child.Wait();
  if (WIFSIGNALED(status)) return absl::StrCat("signal ", WTERMSIG(status));
  if (WEXITSTATUS(status) != 0) {
    return absl::StrCat("exit ", WEXITSTATUS(status));
  }
  return shared.text();
}

inline std::string Text(std::span<const std::byte> bytes) {
  return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

inline ConstBytes Bytes(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

inline std::string Message(const absl::Status& status) {
  return std::string(status.message());
}

}  // namespace mpool::os

#endif  // MPOOL_TESTS_SUPPORT_SYSTEM_H_
