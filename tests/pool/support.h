// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// support.h - the common parts of the pool's tests: pages that identify
// themselves, a table of versions outside the pool, and a check of a pool's
// internals while no thread is in a call.

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
#include "mpool/pool/pool.h"
#include "tests/support/campaign.h"
#include "tests/support/system.h"

namespace mpool::pooltest {

using test::Rounds;
using test::Seed;

// Aborts with the error's text: a child cannot report through GoogleTest.
void Must(const absl::Status& status, std::string_view what);
// Returns Ok for a Sync's error that is due to the death of a process in an
// fsync, and `status` otherwise. The pages may have left the pool, so the error
// stays although the file has the bytes.
absl::Status ExceptDeathInFsync(const absl::Status& status);
template <class T>
T Must(absl::StatusOr<T> value, std::string_view what) {
  Must(value.status(), what);
  return *std::move(value);
}

// Fills a page with its file, number and version, on which every byte depends.
// Version 0 is a page of zeros.
void Fill(std::span<std::byte> page, uint32_t file, PageNo number,
          uint64_t version);
// Returns the version, or an error that describes the wrong page.
absl::StatusOr<uint64_t> Read(std::span<const std::byte> page, uint32_t file,
                              PageNo number);

// The expected versions of a file's pages, outside the pool. `started` is
// stored while the page is held for update, and `put` once its put has
// returned. Without a death both are the page's version.
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

// Makes a file of `pages` pages of version 1 at `path`, without a pool.
void MakeFile(const std::string& path, uint32_t file, uint32_t page_bytes,
              PageNo pages, const Table& table);
// Reads the file without a pool. Each page must have a version between put and
// started. Pages beyond the file's end must never have been put. Returns the
// text of the errors.
std::string CheckFile(const std::string& path, uint32_t file,
                      uint32_t page_bytes, const Table& table);

// A second handle on this process's attachment to `home`.
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

// Resources that are lost for good.
struct Leaks {
  uint64_t frames = 0;
  uint64_t slots = 0;  // latches, ledger entries, thread and process slots
  uint64_t bytes = 0;  // of the heap
};

// Checks the pool while no thread is inside a call. Returns the errors: a frame
// in a transient state, a held latch, a ledger entry, an inconsistent heap, or
// an unreachable chunk. Empty if there is none.
std::string AtRest(internal::Pool& pool, Leaks* leaks = nullptr);
// Returns the number of live process slots.
uint32_t LiveProcesses(const region::Region& region);

// Waits until the word is set. Returns false if the process died before.
bool AwaitOrDeath(const os::Shared& board, size_t word, pid_t pid);

// Kills this process after `seconds`, so that a hang is a failure.
void Watchdog(unsigned seconds);

}  // namespace mpool::pooltest

#endif  // MPOOL_TESTS_POOL_SUPPORT_H_
