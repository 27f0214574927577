// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// crew.h - processes that work on one environment until they are killed, and
// processes that continue after them.
//
// Three files: A (4 KiB pages) and B (512 bytes), each larger than its share of
// the cache, and C (1 KiB), which fits. The cache has five extents, which move
// between page sizes. A resize changes their number.

#ifndef MPOOL_TESTS_POOL_CREW_H_
#define MPOOL_TESTS_POOL_CREW_H_

#include <atomic>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "tests/pool/support.h"

namespace mpool::pooltest {

inline constexpr uint32_t kA = 0;
inline constexpr uint32_t kB = 1;
inline constexpr uint32_t kC = 2;
inline constexpr uint32_t kFileCount = 3;
inline constexpr uint32_t kPageBytes[kFileCount] = {4096, 512, 1024};
inline constexpr PageNo kPageCount[kFileCount] = {64, 140, 60};
inline constexpr uint64_t kCacheBytes = 5 * 64 << 10;
inline constexpr bool IsAtomic(uint32_t file) { return file != kA; }

// A home with its three files and the expected contents of the files.
class Scene {
 public:
  // On memory without a name this process stays attached until Leave, so that
  // the children that it forks can attach.
  explicit Scene(Policy policy, Backing backing = Backing::kPosixShm);
  ~Scene();
  Scene(const Scene&) = delete;
  Scene& operator=(const Scene&) = delete;

  const std::string& home() const { return dir_.path(); }
  std::string Path(uint32_t file) const {
    return dir_.Below(std::string(1, static_cast<char>('a' + file)));
  }
  const Table& table() const { return table_; }
  EnvOptions env_options() const;

  // Pages that a thread has for update, or is about to get. Only such a page
  // may be lost with the thread.
  static constexpr size_t kHeldWords = 64;
  std::atomic<uint64_t>& held(size_t index) const {
    return held_->pages[index];
  }
  static uint64_t HeldWord(uint32_t file, PageNo page) {
    return uint64_t{file} << 32 | (page + 1);
  }
  // Allows the loss of the page that a dead thread had, until ForgetLost.
  // Another thread may then use the word.
  void Mourn(size_t index) const;
  void ForgetLost() const;
  bool MayBeLost(uint32_t file, PageNo page) const;

  // True if this process has a handle, its own or an inherited one. Leave
  // releases the handle. Until then the process stays attached when its workers
  // close.
  bool IsAttached() const { return env_ != nullptr; }
  void Leave() const { env_ = nullptr; }
  // Reads the files without a pool. REQUIRES: no process has unwritten pages.
  std::string CheckFiles() const;

 private:
  struct Held {
    std::atomic<uint64_t> pages[kHeldWords];
    std::atomic<bool> lost[Table::kFiles][Table::kPages];
  };
  const Policy policy_;
  const Backing backing_;
  os::TempDir dir_;
  Table table_;
  os::SharedMemory<Held> held_;
  mutable std::unique_ptr<DbEnv> env_;
};

// One attached process.
class Worker {
 public:
  // `held`: the index of its word among the pages that may be lost with it.
  Worker(const Scene& scene, uint64_t seed, size_t held)
      : scene_(scene), random_(seed), held_(held) {}

  void Open();
  void Close();
  DbEnv& env() { return *env_; }
  MPoolFile& file(uint32_t index) { return *files_[index]; }
  PageNo Any(PageNo below) { return random_() % below; }

  // Each makes one call. A page that died with another process is skipped.
  // Every other error aborts.
  void ReadOne(uint32_t file, PageNo page, Latch latch = Latch::kShared);
  void Update(uint32_t file, PageNo page);
  void Discard(uint32_t file, PageNo page);
  // Changes half of the page and throws. REQUIRES: IsAtomic(file).
  void Unwind(uint32_t file, PageNo page);
  void Add(uint32_t file);
  void UpdateTogether(bool commit);
  void Scan(uint32_t file);
  void Resize();
  void Press();

  // Does a part of everything that the library can do.
  void DoEverything();
  // Does little, on few pages, for processes that must not fill the cache.
  void DoLittle();
  // Takes, splits, merges and grows the region's memory.
  void UseHeap();
  // Misses one page in two threads at once, repeatedly.
  void MissTogether();

  // Checks every page, recreates lost pages, changes some pages and makes all
  // durable. Returns the text of the errors.
  std::string VerifyAll();
  // Holds as many pages as there are frames of each size.
  std::string HoldEveryFrame();

 private:
  bool Passes(const absl::Status& status, uint32_t file, PageNo page) const;
  void Check(std::span<const std::byte> data, uint32_t file, PageNo page) const;
  void HoldManyAndScan();
  void UpdateAgainstAReader();
  void WorkInThread();
  void OpenNewFile();
  std::string Verify(uint32_t file, PageNo page);
  std::string Heal(uint32_t file, PageNo page, const absl::Status& lost);

  const Scene& scene_;
  std::mt19937_64 random_;
  const size_t held_;
  std::unique_ptr<DbEnv> env_;
  std::unique_ptr<MPoolFile> files_[kFileCount];
};

}  // namespace mpool::pooltest

#endif  // MPOOL_TESTS_POOL_CREW_H_
