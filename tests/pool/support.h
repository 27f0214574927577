// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// support.h - what the tests of the pool share: pages that tell which page
// they are, a table of versions beside the pool, and a look at a pool's
// insides when nobody is in it.

#ifndef MPOOL_TESTS_POOL_SUPPORT_H_
#define MPOOL_TESTS_POOL_SUPPORT_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "db/environment.h"
#include "mpool/mpool.h"
#include "mpool/pool.h"
#include "os/test_support.h"
#include "tests/support/campaign.h"

namespace mpool::pooltest {

using test::Rounds;
using test::Seed;

// Aborts with the error's text: a child cannot report through GoogleTest.
void Must(const absl::Status& status, std::string_view what);
// Ok for the error of a Sync that an fsync left in which its process was
// killed; `status` for all others. Pages may have left the pool by then, so
// that the error stays, although the bytes are in the file.
absl::Status ExceptDeathInFsync(const absl::Status& status);
template <class T>
T Must(absl::StatusOr<T> value, std::string_view what) {
  Must(value.status(), what);
  return *std::move(value);
}

// A page that names its file, its number and its version, and whose every byte
// depends on them. Version 0 is a page of zeros.
void Fill(std::span<std::byte> page, uint32_t file, PageNo number,
          uint64_t version);
// The version, or an error that tells what is wrong with the page.
absl::StatusOr<uint64_t> Read(std::span<const std::byte> page, uint32_t file,
                              PageNo number);

// What each page of a file should hold, outside the pool. `started` is stored
// while the page is held for update, `put` once its put has returned: without
// a death both are the page's version.
class Table {
 public:
  static constexpr uint32_t kFiles = 4;
  static constexpr uint64_t kPages = 2048;
  struct Page {
    std::atomic<uint64_t> started;
    std::atomic<uint64_t> put;
  };
  Page& at(uint32_t file, PageNo page) const {
    return memory_->pages[file][page];
  }
  // Raises `put`.
  void Returned(uint32_t file, PageNo page, uint64_t version) const;

 private:
  struct Memory {
    Page pages[kFiles][kPages];
  };
  os::SharedMemory<Memory> memory_;
};

// Makes a file of `pages` pages of version 1 below `home`, not through a pool.
void MakeFile(const std::string& path, uint32_t file, uint32_t page_bytes,
              PageNo pages, const Table& table);
// Reads the file without a pool: each page has a version between put and
// started; pages beyond the file's end were never put. Text of what is wrong.
std::string CheckFile(const std::string& path, uint32_t file,
                      uint32_t page_bytes, const Table& table);

// A second handle on the attachment that this process has to `home`.
class Insides {
 public:
  explicit Insides(const std::string& home);
  ~Insides();
  Insides(const Insides&) = delete;
  Insides& operator=(const Insides&) = delete;

  internal::Pool& pool() { return env_->pool(); }
  region::Region& region() { return env_->pool().region(); }

 private:
  std::shared_ptr<internal::Environment> env_;
};

// What is lost for good.
struct Leaks {
  uint64_t frames = 0;
  uint64_t slots = 0;  // latches, ledger entries, slots of threads, processes
  uint64_t bytes = 0;  // of the heap
};

// What is not as it must be while no thread is inside any call: a frame in the
// middle of something, a latch that is held, a ledger entry, a heap that does
// not agree with itself, a chunk that nobody can reach. Empty if all is well.
std::string AtRest(internal::Pool& pool, Leaks* leaks = nullptr);
// The number of live process slots.
uint32_t LiveProcesses(const region::Region& region);

// Waits until the word is set; false if the process died before.
bool AwaitOrDeath(const os::Shared& board, size_t word, pid_t pid);

// Kills the process when it takes too long, so that a hang is a failure.
void Watchdog(unsigned seconds);

}  // namespace mpool::pooltest

#endif  // MPOOL_TESTS_POOL_SUPPORT_H_
